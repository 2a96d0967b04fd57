"""A chat's facts and its rebuilt completion come from the same chunks."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from proxy.exchange import Usage, UsageSource
from proxy.reading.jsontext import Json
from proxy.reading.openai.chat import MAX_CHOICES, ChatMeaning
from proxy.reading.rebuild import rebuild
from proxy.reading.sse import Event
from tests.reading.openai.bodies import CHAT_USAGE, DONE, ERROR, chat, chunk, data, read, read_json, rebuilt, told, tool

FACTS = replace(told(CHAT_USAGE), message_id="chatcmpl-1", finish_reason="tool_calls", first_token_ms=2.0)
COMPLETION: dict[str, Json] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1780000000,
    "model": "gpt-5-2026",
    "service_tier": "default",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": 'It is "finish_reason":"x" 🦊 日本語',
                "refusal": None,
                "reasoning_content": "Let me see.",
                "tool_calls": [
                    {
                        "id": "call_0",
                        "type": "function",
                        "function": {"name": "weather", "arguments": '{"at":"Paris"}'},
                    },
                    {"id": "call_1", "type": "function", "function": {"name": "time", "arguments": "{}"}},
                ],
            },
            "finish_reason": "tool_calls",
        }
    ],
    "usage": CHAT_USAGE,
}


def test_chunks_give_their_facts_and_their_completion() -> None:
    assert read(chat(), "chat") == FACTS
    assert rebuilt(chat(), "chat") == COMPLETION


def test_same_answer_without_a_stream_gives_the_same_facts() -> None:
    assert read_json(COMPLETION, "chat") == replace(FACTS, first_token_ms=None)
    body = json.dumps(COMPLETION).encode()
    assert rebuild(body, "application/json", None, operation="chat", dialect="openai") == COMPLETION


def test_stream_without_usage_has_none() -> None:
    """Zero would be a lie: the client did not ask for the usage."""
    pieces = [chunk({"content": "a"}), chunk({}, "stop"), DONE]
    facts = read(pieces, "chat")
    assert facts.usage == Usage(service_tier="default")
    assert (facts.usage_source, facts.complete, facts.finish_reason) == (UsageSource.NONE, True, "stop")


def test_of_several_usages_the_last_that_is_not_null_counts() -> None:
    growing = [chunk({"content": "a"}, usage={"prompt_tokens": 5, "completion_tokens": n}) for n in (1, 2, 3)]
    facts = read([*growing, chunk({}, "stop", usage=None), DONE], "chat")
    assert (facts.usage.input_tokens, facts.usage.output_tokens) == (5, 3)
    assert facts.usage_source is UsageSource.FINAL


@pytest.mark.parametrize("pieces", range(1, 12))
def test_stream_that_breaks_is_incomplete(pieces: int) -> None:
    """D5"""
    facts = read(chat()[:pieces], "chat")
    assert (facts.complete, facts.usage_source, facts.usage.output_tokens) == (False, UsageSource.NONE, None)


def test_stream_that_breaks_keeps_the_last_usage_as_partial() -> None:
    facts = read([chunk({"content": "a"}, usage={"prompt_tokens": 5, "completion_tokens": 1})], "chat")
    assert (facts.complete, facts.usage_source, facts.usage.output_tokens) == (False, UsageSource.PARTIAL, 1)


def test_announced_usage_that_does_not_come_is_missing() -> None:
    assert read(chat()[:12], "chat").complete is False


@pytest.mark.parametrize(
    ("pieces", "complete"),
    [
        ([chunk({"content": "a"}), chunk({}, "stop")], True),
        (chat()[:-1], True),
        ([chunk({"content": "a"}, index=0), chunk({"content": "b"}, index=1), chunk({}, "stop", index=0)], False),
        ([chunk({"content": "a"}, "")], False),
    ],
)
def test_server_that_never_says_done_is_whole_when_nothing_is_missing(pieces: list[bytes], complete: bool) -> None:
    assert read(pieces, "chat").complete is complete


def test_choices_are_put_together_by_index() -> None:
    pieces = [
        chunk({"role": "assistant", "content": "a"}, index=0),
        chunk({"role": "assistant", "content": "x"}, index=1),
        chunk({"content": "b"}, index=0),
        chunk({"content": "y"}, index=1),
        chunk({}, "length", index=1),
        chunk({}, "stop", index=0),
        DONE,
    ]
    facts = read(pieces, "chat")
    assert (facts.finish_reason, facts.complete, facts.first_token_ms) == ("stop", True, 1.0)
    message = rebuilt(pieces, "chat")
    assert message is not None
    assert message["choices"] == [
        {"index": 0, "message": {"role": "assistant", "content": "ab"}, "finish_reason": "stop"},
        {"index": 1, "message": {"role": "assistant", "content": "xy"}, "finish_reason": "length"},
    ]


@pytest.mark.parametrize(
    "error", [data({"error": ERROR}), b"event: error\n" + data({"error": ERROR}), b"event: error\n" + data(ERROR)]
)
def test_error_in_the_stream_is_read(error: bytes) -> None:
    """Azure refuses whole streams that way."""
    facts = read([*chat()[:5], error], "chat")
    assert (facts.error_type, facts.error_message, facts.complete) == ("server_error", ERROR["message"], False)
    message = rebuilt([*chat()[:5], error], "chat")
    assert message is not None
    assert isinstance(message["error"], dict)
    assert message["error"]["type"] == "server_error"


def test_answer_that_is_an_error_inside_a_200_is_read() -> None:
    facts = read_json({"error": {**ERROR, "type": "tokens", "code": "rate_limit_exceeded"}}, "chat")
    assert (facts.error_type, facts.error_message) == ("rate_limit_exceeded", ERROR["message"])
    body = json.dumps({"error": ERROR}).encode()
    assert rebuild(body, "application/json", None, operation="chat", dialect="openai") is None


@pytest.mark.parametrize(
    ("delta", "is_token"),
    [
        ({"role": "assistant", "content": ""}, False),
        ({"content": None}, False),
        ({"content": "a"}, True),
        ({"refusal": "I cannot"}, True),
        ({"reasoning": "Hm"}, True),
        (tool(0, id="call_0", function={"name": "weather", "arguments": ""}), False),
        (tool(0, function={"arguments": "{"}), True),
        (tool(0, custom={"input": "x"}), True),
        ({"function_call": {"arguments": "{"}}, True),
        ({"audio": {"data": "AAAA"}}, True),
        ({"tool_calls": [5, None]}, False),
    ],
)
def test_first_token_is_the_first_content(delta: Json, is_token: bool) -> None:
    facts = read([chunk({"role": "assistant"}), chunk(delta), chunk({}), chunk({"content": "b"})], "chat")
    assert facts.first_token_ms == (2.0 if is_token else 4.0)


@pytest.mark.parametrize(
    ("piece", "problem"),
    [
        (b"data: {\n\n", "message: not readable as JSON: Input data was truncated"),
        (b"data: 5\n\n", "message: not an object"),
        (chunk(choices=5), "choices is not a list"),
        (chunk(choices=[5]), "a choice that is none"),
        (chunk(choices=[{"index": "x", "delta": {}}]), "a choice that is none"),
        (chunk({}, finish_reason=["x"]), "finish_reason is not a name"),  # type: ignore[arg-type]
        (chunk(usage=5), "usage is not an object"),
        (chunk(usage={"prompt_tokens": -1}), "usage.prompt_tokens is not a count"),
        (chunk(model=5), "model is not a name"),
    ],
)
def test_nonsense_is_a_problem_and_nothing_more(piece: bytes, problem: str) -> None:
    """D4"""
    facts = read([piece, DONE], "chat")
    assert (facts.parse_error, facts.complete) == (problem, True)
    assert rebuilt([piece, DONE], "chat") is not None or piece.startswith((b"data: {\n", b"data: 5"))


def test_chunks_after_the_end_count_for_nothing() -> None:
    facts = read([*chat(), chunk({}, "stop", usage={"prompt_tokens": 1, "completion_tokens": 1})], "chat")
    assert facts == replace(FACTS, parse_error="a chunk after [DONE]")


def test_choices_without_end_are_bounded() -> None:
    pieces = [chunk({"content": "a"}, index=index) for index in range(MAX_CHOICES + 5)]
    message = rebuilt(pieces, "chat")
    assert message is not None
    assert isinstance(message["choices"], list)
    assert len(message["choices"]) == MAX_CHOICES
    assert "4 more" in (read(pieces, "chat").parse_error or "")


def test_events_of_other_kinds_are_kept_for_reading() -> None:
    strange = b'event: progress\ndata: {"percent":5}\n\n'
    assert read([strange], "chat").complete is None
    assert read([strange, *chat()], "chat") == replace(FACTS, first_token_ms=3.0)
    message = rebuilt([strange, *chat()], "chat")
    strange_one: Json = {"event": "progress", "data": {"percent": 5}}
    assert message == {**COMPLETION, "events": [strange_one]}


def test_chunk_after_the_first_token_is_not_parsed() -> None:
    """What is not JSON at all goes by unnoticed once nothing but the end is of interest."""
    meaning = ChatMeaning()
    meaning.consume(Event("message", b'{"choices":[{"delta":{"content":"a"}}]}'), 1.0)
    meaning.consume(Event("message", b'"finish_reason":null,"usage": null {{{'), 2.0)
    assert meaning.problems.summary() is None
    meaning.consume(Event("message", b'"finish_reason" : "stop" {{{'), 3.0)
    assert meaning.problems.summary() is not None


def test_spaces_in_the_json_of_other_servers_change_nothing() -> None:
    spaced = [b"data: " + json.dumps(json.loads(piece[6:])).encode() + b"\n\n" for piece in chat() if b'{"id"' in piece]
    assert replace(read([*spaced, DONE], "chat"), first_token_ms=2.0) == FACTS
