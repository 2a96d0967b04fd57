"""Masks over places in bytes."""

from __future__ import annotations

from proxy.reading.redaction.spans import Masked, Span, in_tokens, is_json, masked


def test_spans_are_replaced_in_order_and_those_that_overlap_are_one() -> None:
    spans = [Span(8, 10, b"*", "b"), Span(1, 3, b"***", "a"), Span(2, 5, b"!", "caller")]
    assert masked(b"0123456789", spans) == Masked(b"0!567*", {"caller": 1, "b": 1}, ((1, 5, 1), (8, 10, 1)))
    assert masked(b"0123", []) == Masked(b"0123", {})


def test_what_continues_a_secret_is_not_counted() -> None:
    assert masked(b"0123456789", [Span(1, 3, b"*", "a"), Span(5, 7, b"", "")]).found == {"a": 1}


def test_strings_of_json_are_masked_inside_and_numbers_and_words_become_strings() -> None:
    data = b'{"a":1234,"b":[true,"x\\"1234y"]}'
    spans = [Span(data.index(b"1234"), data.index(b"1234") + 4, b"*", "r"), Span(15, 17, b"-", "r")]
    spans.append(Span(data.rindex(b"1234"), len(data), b"+", "r"))
    assert masked(data, list(in_tokens(data, spans))).data == b'{"a":"*","b":["-","x\\"+"]}'


def test_what_is_no_json_is_told() -> None:
    assert [is_json(text) for text in ('{"a":1}', "{", "", "[" * 100_000)] == [True, False, False, False]
