"""Response readers give the facts of the sample exchanges, however the bytes are cut."""

from __future__ import annotations

from dataclasses import asdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.exchange import UsageSource
from proxy.reading.encodings import encode
from proxy.reading.response import ResponseFacts, reader
from tests.reading.streams import CODINGS, STREAM, cut, flushed, read, transcript, vector

SAMPLES = [
    "anthropic_json_tool",
    "anthropic_stream_error",
    "anthropic_stream_gzip",
    "anthropic_stream_text",
    "anthropic_stream_thinking_tool_cached",
]
BODY_IDS = {"anthropic_stream_gzip": "msg_01Fake00000003"}
"""Where the compressed body of a sample names another message than its facts: the body is what a reader sees."""
FACT_NAMES = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cache_read_input_tokens": "cache_read_tokens",
    "cache_creation_5m": "cache_creation_5m_tokens",
    "cache_creation_1h": "cache_creation_1h_tokens",
    "thinking_tokens": "reasoning_tokens",
    "web_search_requests": "web_search_requests",
    "web_fetch_requests": "web_fetch_requests",
    "inference_geo": "inference_geo",
    "service_tier": "service_tier",
    "speed": "speed",
    "model": "model",
    "message_id": "message_id",
    "stop_reason": "finish_reason",
    "error_type": "error_type",
    "complete": "complete",
}
UNSAID = {"reasoning_tokens": 0, "web_search_requests": 0, "web_fetch_requests": 0, "speed": "standard"}
"""What the samples' facts say where the wire says nothing: unknown to a reader."""


@pytest.mark.parametrize("name", SAMPLES)
def test_sample_gives_its_facts(name: str) -> None:
    sample = vector(name)
    facts = read(
        sample.body,
        content_type=sample.header("content-type"),
        content_encoding=sample.header("content-encoding"),
        status=sample.status,
    )
    found = {**asdict(facts), **asdict(facts.usage)}
    expected = {FACT_NAMES[key]: value for key, value in sample.facts.items() if key in FACT_NAMES}
    if name in BODY_IDS:
        expected["message_id"] = BODY_IDS[name]
    for fact, value in UNSAID.items():
        if found[fact] is None and expected[fact] == value:
            expected[fact] = None
    assert {fact: found[fact] for fact in expected} == expected
    assert facts.usage_source is (UsageSource.FINAL if facts.complete else UsageSource.PARTIAL)
    assert facts.parse_error is None


def test_sample_of_a_rejected_request_gives_its_error() -> None:
    sample = vector("anthropic_429_unified")
    facts = read(sample.body, content_type=sample.header("content-type"), status=sample.status)
    assert facts == ResponseFacts(
        error_type="rate_limit_error",
        error_message="This request would exceed the rate limit for your organization "
        "(00000000-0000-0000-0000-000000000000) of 50 requests per minute.",
        upstream_request_id="req_011Test00000006",
        complete=True,
    )


def untimed(pieces: list[bytes], coding: str | None = None, content_type: str | None = STREAM) -> ResponseFacts:
    """Read pieces that all arrive at once."""
    facts = read(pieces, content_type=content_type, content_encoding=coding)
    return ResponseFacts(**{**{name: getattr(facts, name) for name in facts.__slots__}, "first_token_ms": None})


@pytest.mark.parametrize("name", ["anthropic_stream_error", "anthropic_stream_text"])
def test_sample_cut_at_every_byte_gives_the_same_facts(name: str) -> None:
    """D1"""
    body = vector(name).body
    whole = untimed([body])
    for place in range(len(body)):
        assert untimed([body[:place], body[place:]]) == whole
    assert untimed([body[i : i + 1] for i in range(len(body))]) == whole


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([None, *CODINGS]),
    st.sampled_from([STREAM, "application/json", None]),
    st.lists(st.integers(0, 10_000), max_size=8),
)
def test_any_coding_and_any_pieces_give_the_same_facts(
    coding: str | None, content_type: str | None, places: list[int]
) -> None:
    """C18, D1, D9"""
    body = b"".join(transcript())
    assert untimed(cut(encode(body, coding), places), coding, content_type) == untimed([body])


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_first_token_of_an_encoded_stream_is_timed(coding: str) -> None:
    assert read(flushed(transcript(), coding), content_encoding=coding).first_token_ms == 4.0


@settings(max_examples=150, deadline=None)
@given(
    st.binary(max_size=200) | st.sampled_from(transcript()),
    st.sampled_from([None, "gzip", "deflate", "br", "zstd", "x"]),
    st.sampled_from([STREAM, "application/json", "text/html", None, "\x00"]),
    st.sampled_from([200, 204, 302, 400, 529]),
    st.lists(st.integers(0, 200), max_size=3),
)
def test_any_bytes_of_any_answer_never_raise(
    body: bytes, coding: str | None, content_type: str | None, status: int, places: list[int]
) -> None:
    """A23, D4"""
    facts = read(cut(body, places), content_type=content_type, content_encoding=coding, status=status)
    assert (facts.error_type is not None) >= (status >= 400)


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_shuffled_and_damaged_events_never_raise(data: st.DataObject) -> None:
    """D4"""
    pieces = data.draw(st.lists(st.sampled_from(transcript()), max_size=10))
    body = bytearray(b"".join(pieces))
    for _ in range(data.draw(st.integers(0, 5)) if body else 0):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    facts = read(bytes(body))
    assert facts.usage.output_tokens is None or facts.usage.output_tokens >= 0


@pytest.mark.parametrize("operation", ["count_tokens", "files", "batches", "models", "other"])
def test_operations_without_facts_are_ignored(operation: str) -> None:
    assert read([b'{"input_tokens": 5}', b"\x00" * 100], operation=operation) == ResponseFacts()


def test_messages_of_an_unknown_dialect_are_ignored() -> None:
    reading = reader(operation="messages", dialect=None, content_type=STREAM, content_encoding=None, status=200)
    reading.feed(b"".join(transcript()), 1.0)
    assert reading.end() == ResponseFacts()


def test_limit_of_a_whole_body_is_the_callers() -> None:
    body = vector("anthropic_json_tool").body
    assert read(body, content_type="application/json", limit=100) == ResponseFacts(parse_error="too large to read")
