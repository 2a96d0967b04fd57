"""The sample exchanges give their facts, and any split of the bytes gives the same; nothing ever raises."""

from __future__ import annotations

from dataclasses import asdict, replace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.exchange import UsageSource
from proxy.reading.encodings import encode
from proxy.reading.openai.answer import given as is_given
from proxy.reading.rebuild import rebuild
from proxy.reading.response import ResponseFacts
from tests.reading.openai import test_plain
from tests.reading.openai.bodies import chat, events, read
from tests.reading.streams import CODINGS, STREAM, cut, flushed, vector

SAMPLES = {
    "openai_chat_json": "chat",
    "openai_chat_stream_tools": "chat",
    "openai_chat_stream_usage": "chat",
    "openai_responses_json": "responses",
    "openai_responses_stream_tools": "responses",
}
FACT_NAMES = {
    "input_tokens": "input_tokens_total",
    "output_tokens": "output_tokens",
    "cache_read_input_tokens": "cache_read_tokens",
    "thinking_tokens": "reasoning_tokens",
    "model": "model",
    "stop_reason": "finish_reason",
    "error_type": "error_type",
    "complete": "complete",
}
STREAMS = {"chat": chat(), "responses": events(), "images": test_plain.images()}


@pytest.mark.parametrize("name", SAMPLES)
def test_sample_gives_its_facts(name: str) -> None:
    sample = vector(name)
    facts = read(sample.body, SAMPLES[name], content_type=sample.header("content-type"), status=sample.status)
    found = {**asdict(facts), **asdict(facts.usage), "input_tokens_total": facts.usage.input_tokens_total}
    expected = {FACT_NAMES[key]: value for key, value in sample.facts.items() if key in FACT_NAMES}
    if sample.facts.get("usage_chunk") is False:
        expected |= {"cache_read_tokens": None, "reasoning_tokens": None}
    assert {fact: found[fact] for fact in expected} == expected
    asked = expected["output_tokens"] is not None
    assert facts.usage_source is (UsageSource.FINAL if asked else UsageSource.NONE)
    assert facts.parse_error is None


def untimed(pieces: list[bytes], operation: str, coding: str | None = None, **more: str | None) -> ResponseFacts:
    return replace(read(pieces, operation, content_encoding=coding, **more), first_token_ms=None)


@pytest.mark.parametrize("name", [name for name in SAMPLES if "stream_tools" in name])
def test_sample_cut_at_every_byte_gives_the_same_facts(name: str) -> None:
    """D1"""
    body, operation = vector(name).body, SAMPLES[name]
    whole = untimed([body], operation)
    for place in range(len(body)):
        assert untimed([body[:place], body[place:]], operation) == whole


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from(sorted(STREAMS)),
    st.sampled_from([None, *CODINGS]),
    st.sampled_from([STREAM, "application/json", None]),
    st.lists(st.integers(0, 10_000), max_size=8),
)
def test_any_coding_and_any_pieces_give_the_same_facts(
    operation: str, coding: str | None, content_type: str | None, places: list[int]
) -> None:
    """C18, D1, D9"""
    body = b"".join(STREAMS[operation])
    pieces = cut(encode(body, coding), places)
    assert untimed(pieces, operation, coding, content_type=content_type) == untimed([body], operation)


@pytest.mark.parametrize(("operation", "at"), [("chat", 2.0), ("responses", 5.0)])
def test_first_token_of_an_encoded_stream_is_timed(operation: str, at: float) -> None:
    assert read(flushed(STREAMS[operation], "gzip"), operation, content_encoding="gzip").first_token_ms == at


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_shuffled_and_damaged_events_never_raise(data: st.DataObject) -> None:
    """D4"""
    operation = data.draw(st.sampled_from(["chat", "responses", "images", "embeddings"]))
    every = [piece for pieces in STREAMS.values() for piece in pieces]
    body = bytearray(b"".join(data.draw(st.lists(st.sampled_from(every), max_size=10))))
    for _ in range(data.draw(st.integers(0, 5)) if body else 0):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    facts = read(bytes(body), operation)
    assert facts.usage.output_tokens is None or facts.usage.output_tokens >= 0
    rebuild(bytes(body), STREAM, None, operation=operation, dialect="openai")


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(["chat", "responses", "images", "embeddings"]),
    st.binary(max_size=200) | st.sampled_from([b"[]", b"null", b'{"choices":null}', b'{"output":5,"status":[]}']),
    st.sampled_from([STREAM, "application/json", None]),
    st.sampled_from([200, 204, 400, 529]),
)
def test_any_bytes_of_any_answer_never_raise(
    operation: str, body: bytes, content_type: str | None, status: int
) -> None:
    """A23, D4"""
    facts = read(body, operation, content_type=content_type, status=status)
    assert (facts.error_type is not None) >= (status >= 400)
    rebuild(body, content_type, None, operation=operation, dialect="openai")


@pytest.mark.parametrize(("raw", "there"), [(b"", False), (b"null", False), (b"[]", True), (b'"null"', True)])
def test_field_that_is_null_is_not_given(raw: bytes, there: bool) -> None:
    assert is_given(msgspec.Raw(raw)) is there


@pytest.mark.parametrize("body", [b"[]", b"5", b'"x"'])
@pytest.mark.parametrize("operation", ["chat", "responses", "images", "embeddings"])
def test_json_that_is_no_object_is_a_problem(body: bytes, operation: str) -> None:
    facts = read(body, operation, content_type="application/json")
    assert facts.parse_error is not None
    assert facts.usage_source is UsageSource.NONE
