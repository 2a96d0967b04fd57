"""An answer's facts and its rebuilt message come from the same events."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from proxy.exchange import Usage, UsageSource
from proxy.reading.encodings import encode
from proxy.reading.jsontext import Json
from proxy.reading.rebuild import rebuild
from proxy.reading.response import ResponseFacts
from tests.reading.streams import (
    CITATION,
    CODINGS,
    END_USAGE,
    PING,
    SEARCH_RESULT,
    START_USAGE,
    STOP,
    STREAM,
    block,
    change,
    delta,
    event,
    read,
    start,
    transcript,
)

USAGE = Usage(
    input_tokens=40,
    output_tokens=42,
    cache_read_tokens=18000,
    cache_creation_tokens=1500,
    cache_creation_5m_tokens=1200,
    cache_creation_1h_tokens=300,
    reasoning_tokens=20,
    web_search_requests=1,
    web_fetch_requests=0,
    service_tier="standard",
    inference_geo="us",
    usage_raw=json.dumps({**START_USAGE, **END_USAGE}, separators=(",", ":")),
)
FACTS = ResponseFacts(
    model="claude-sonnet-4-6",
    message_id="msg_1",
    usage=USAGE,
    usage_source=UsageSource.FINAL,
    finish_reason="end_turn",
    first_token_ms=4.0,
    complete=True,
)
MESSAGE: dict[str, Json] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-6",
    "content": [
        {"type": "text", "text": "The fox 🦊"},
        {"type": "server_tool_use", "id": "srvtoolu_01", "name": "web_search", "input": {"query": "x"}},
        SEARCH_RESULT,
        {"type": "thinking", "thinking": "Let me see.", "signature": "EqQB"},
        {"type": "redacted_thinking", "data": "AAAA"},
        {"type": "text", "text": "日本語", "citations": [CITATION]},
    ],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {**START_USAGE, **END_USAGE},
}


def test_transcript_gives_its_facts_and_its_message() -> None:
    """Wire facts, 7.3"""
    assert read(transcript()) == FACTS
    assert rebuild(b"".join(transcript()), STREAM, None) == MESSAGE


def test_same_answer_without_a_stream_gives_the_same_facts() -> None:
    body = json.dumps(MESSAGE).encode()
    facts = read(body, content_type="application/json")
    assert facts == replace(FACTS, first_token_ms=None)
    assert rebuild(body, "application/json", None) == MESSAGE


def test_events_without_names_are_told_by_their_type() -> None:
    """D9: some compatible servers send data lines only; the standard calls those events `message`."""
    bare = [piece[piece.index(b"data:") :] for piece in transcript()]
    assert read(bare) == FACTS
    assert rebuild(b"".join(bare), None, None) == MESSAGE


@pytest.mark.parametrize("coding", CODINGS)
def test_rebuild_takes_the_content_coding_off(coding: str) -> None:
    assert rebuild(encode(b"".join(transcript()), coding), STREAM, coding) == MESSAGE


@pytest.mark.parametrize("events", range(1, len(transcript())))
def test_stream_that_breaks_is_incomplete_and_keeps_the_last_usage(events: int) -> None:
    """D5, E2E of C6"""
    facts = read(transcript()[:events])
    assert facts.complete is False
    assert facts.usage_source is UsageSource.PARTIAL
    assert facts.usage.output_tokens == (42 if events == len(transcript()) - 1 else 1)
    assert facts.parse_error is None


def test_error_in_the_stream_is_read_and_the_usage_stays_partial() -> None:
    error = event(
        "error",
        {"error": {"details": None, "type": "overloaded_error", "message": "Overloaded"}, "request_id": "req_1"},
    )
    facts = read([*transcript()[:5], error])
    assert (facts.error_type, facts.error_message, facts.upstream_request_id) == (
        "overloaded_error",
        "Overloaded",
        "req_1",
    )
    assert (facts.complete, facts.usage_source, facts.usage.output_tokens) == (False, UsageSource.PARTIAL, 1)
    rebuilt = rebuild(b"".join([*transcript()[:5], error]), STREAM, None)
    assert rebuilt is not None
    assert rebuilt["content"] == [{"type": "text", "text": "The fox 🦊"}]
    assert rebuilt["error"] == {"details": None, "type": "overloaded_error", "message": "Overloaded"}
    assert rebuilt["stop_reason"] is None


def test_stream_that_begins_with_an_error_has_no_message() -> None:
    error = event("error", {"error": {"type": "api_error", "message": "M"}})
    assert read(error) == ResponseFacts(error_type="api_error", error_message="M", complete=False)
    assert rebuild(error, STREAM, None) is None


@pytest.mark.parametrize(
    ("first", "is_token"),
    [
        (delta(0, "text_delta", text="a"), True),
        (delta(0, "text_delta", text=""), True),
        (delta(0, "thinking_delta", thinking="", estimated_tokens=3), True),
        (delta(0, "signature_delta", signature="S"), True),
        (delta(0, "citations_delta", citation=CITATION), True),
        (delta(0, "input_json_delta", partial_json="{"), True),
        (delta(0, "new_delta"), True),
        (delta(0, "input_json_delta", partial_json=""), False),
        (delta(0, "input_json_delta"), False),
        (PING, False),
        (block(1, SEARCH_RESULT), False),
        (event("content_block_delta", "not json"), False),
        (event("content_block_delta", {"delta": 5}), False),
    ],
)
def test_first_token_is_the_first_delta_but_an_empty_tool_input(first: bytes, is_token: bool) -> None:
    """Wire facts, 1.5"""
    facts = read([start(START_USAGE), first, delta(0, "text_delta", text="b")])
    assert facts.first_token_ms == (2.0 if is_token else 3.0)


def test_first_token_is_timed_by_the_bytes_that_complete_its_event() -> None:
    token = delta(0, "text_delta", text="a")
    assert read([start(START_USAGE), token[:20], token[20:-1], token[-1:]]).first_token_ms == 4.0


def test_unknown_events_and_stop_details_are_kept_for_reading() -> None:
    """D4"""
    details: Json = {"type": "refusal", "category": "cyber"}
    end = event(
        "message_delta",
        {"delta": {"stop_reason": "refusal", "stop_details": details}, "context_management": {"x": 1}},
    )
    new = b'event: new_event\ndata: {"type":"new_event","x":1}\n\nevent: odd\ndata: no json\n\n'
    rebuilt = rebuild(start({}) + new + end + STOP, STREAM, None)
    assert rebuilt is not None
    assert rebuilt["stop_details"] == details
    assert rebuilt["context_management"] == {"x": 1}
    assert rebuilt["events"] == [
        {"event": "new_event", "data": {"type": "new_event", "x": 1}},
        {"event": "odd", "data": "no json"},
    ]
    assert read(start({}) + new + end + STOP).parse_error is None


@pytest.mark.parametrize(
    ("extra", "problem"),
    [
        (start({"output_tokens": 999}, id="msg_2"), "a second message_start"),
        (event("message_delta", "{"), "message_delta: not readable as JSON: Input data was truncated"),
        (event("message_delta", "[]"), "message_delta: not an object"),
        (event("message_start", "[" * 10**5), "message_start: nested too deeply"),
        (change({"output_tokens": -5}, None), "usage.output_tokens is not a count"),
        (change({"output_tokens": "7"}, None), "usage.output_tokens is not a count"),
        (event("message_delta", '{"usage":{"output_tokens":NaN}}'), "message_delta: not readable as JSON"),
        (event("message_delta", '{"usage":{"output_tokens":' + "9" * 10**6 + "}}"), "message_delta: not readable"),
    ],
)
def test_bad_event_is_a_problem_and_spoils_nothing_else(extra: bytes, problem: str) -> None:
    """D4"""
    facts = read([*transcript()[:-2], extra, *transcript()[-2:]])
    assert (facts.parse_error or "").startswith(problem)
    assert replace(facts, parse_error=None) == FACTS


def test_events_after_the_stop_change_nothing_and_are_counted() -> None:
    """D4"""
    facts = read([*transcript(), change({"output_tokens": 999}), STOP, PING])
    assert facts == replace(FACTS, parse_error="an event after message_stop (and 1 more)")


def test_message_start_that_is_no_message_is_a_problem() -> None:
    facts = read(event("message_start", {"message": []}) + STOP)
    assert facts == ResponseFacts(complete=True, parse_error="message_start without a message")


def test_names_of_the_wrong_type_are_problems() -> None:
    facts = read(start({}, model=5, id="x" * 1000) + change({}, None) + STOP)
    assert (facts.model, facts.message_id) == (None, None)
    assert facts.parse_error == "model is not a name (and 1 more)"


@pytest.mark.parametrize(
    ("body", "problem", "complete"),
    [
        (b"", "empty", False),
        (b'{"id":"msg_1","content":[{"type":"text","te', "not readable as JSON: Input data was truncated", False),
        (b"<html>", "not readable as JSON: JSON is malformed: invalid character (byte 0)", None),
        (b'{"content":' + b"[" * 10**5, "nested too deeply", None),
        (b"[1]", "not readable as JSON: Expected `object`, got `array`", None),
    ],
)
def test_answer_that_is_no_message_is_told_and_only_a_cut_one_is_incomplete(
    body: bytes, problem: str, complete: bool | None
) -> None:
    """A23"""
    assert read(body, content_type="application/json") == ResponseFacts(complete=complete, parse_error=problem)
    assert rebuild(body, "application/json", None) is None


def test_error_under_a_good_status_is_an_error() -> None:
    body = b'{"type":"error","error":{"type":"overloaded_error","message":"M"}}'
    facts = read(body, content_type="application/json")
    assert facts == ResponseFacts(error_type="overloaded_error", error_message="M", complete=True)
    assert rebuild(body, "application/json", None) is None


def test_stream_of_another_dialect_is_neither_complete_nor_broken() -> None:
    facts = read(b'data: {"object":"chat.completion.chunk"}\n\ndata: [DONE]\n\n')
    assert facts.complete is None
    assert facts.model is None


def test_lone_surrogates_and_nul_are_readable() -> None:
    """D6"""
    body = start({}) + event("content_block_delta", '{"index":0,"delta":{"type":"text_delta","text":"\\ud83d\\u0000"}}')
    rebuilt = rebuild(body, STREAM, None)
    assert rebuilt is not None
    assert rebuilt["content"] == [{"type": "text", "text": "\ufffd\0"}]
