"""JSON from strangers is parsed or refused with a reason."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.reading.jsontext import Json, Unreadable, compact, dense, parse

VALUES: st.SearchStrategy[Json] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@settings(max_examples=60, deadline=None)
@given(VALUES)
def test_json_is_parsed_as_the_standard_library_does(value: Json) -> None:
    text = json.dumps(value, ensure_ascii=False)
    if any("\ud800" <= char <= "\udfff" for char in text):
        return
    assert parse(text.encode()) == json.loads(text)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_parsed_or_refused(data: bytes) -> None:
    with contextlib.suppress(Unreadable):
        parse(data)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (b"{", "not readable as JSON"),
        (b'{"a":NaN}', "not readable as JSON"),
        (b"1" * 10**6, "not readable as JSON"),
        (b"1e999", "not readable as JSON"),
        (b"[" * 10**5 + b"]" * 10**5, "nested too deeply"),
        (b'{"a":' * 10**5, "nested too deeply"),
        (b"\xef\xbb\xbf" + b"[" * 10**5, "nested too deeply"),
        (b"{} {}", "not readable as JSON"),
    ],
)
def test_what_is_not_json_is_refused_with_a_short_reason(data: bytes, reason: str) -> None:
    """A23"""
    with pytest.raises(Unreadable, match=reason) as refused:
        parse(data)
    assert len(str(refused.value)) <= 200


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b'\xef\xbb\xbf{"a":1}', {"a": 1}),
        (b'{"a":1,"a":2}', {"a": 2}),
        (b'"\\ud83d"', "\ufffd"),
        (b'"\\ude00 x"', "\ufffd x"),
        (b'"\\ud83d\\ude00 \\ud83d"', "😀 \ufffd"),
        (b'"a\xffb"', "a\ufffdb"),
        (b'"\\u0000"', "\0"),
        ('"\u2028\u2029\u0085"'.encode(), "\u2028\u2029\u0085"),
    ],
)
def test_what_senders_get_wrong_most_is_read(data: bytes, value: Json) -> None:
    """A23, D6"""
    assert parse(data) == value


def test_deep_values_are_not_written() -> None:
    deep: Json = 1
    for _ in range(10**5):
        deep = [deep]
    assert compact(deep) is None
    assert compact({"a": [1, None]}) == '{"a":[1,null]}'
    while isinstance(deep, list):
        deep = deep[0]


@pytest.mark.parametrize(
    ("text", "is_dense"), [(b"{}," * 9, True), (b'{"a":"what is said here"},' * 9, False), (b"", False)]
)
def test_a_text_of_little_but_objects_is_dense_beyond_a_size(text: bytes, is_dense: bool) -> None:
    large = text * 200_000
    assert dense(large, 1_000_000) is is_dense
    assert not dense(large, len(large))
