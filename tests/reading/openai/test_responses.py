"""A response's facts and its rebuilt form come from the same events."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from proxy.exchange import UsageSource
from proxy.reading.jsontext import Json
from proxy.reading.rebuild import rebuild
from proxy.reading.response import ResponseFacts
from tests.reading.openai.bodies import (
    OUTPUT,
    USAGE,
    data,
    events,
    finished,
    named,
    read,
    read_json,
    rebuilt,
    response,
    told,
)

FACTS = replace(told(USAGE), message_id="resp_1", finish_reason="completed", calls_tool=True, first_token_ms=5.0)


def test_events_give_their_facts_and_their_response() -> None:
    assert read(events(), "responses") == FACTS
    message = rebuilt(events(), "responses")
    assert message == {name: value for name, value in finished().items() if value is not None}


def test_same_answer_without_a_stream_gives_the_same_facts() -> None:
    assert read_json(finished(), "responses") == replace(FACTS, first_token_ms=None)
    body = json.dumps(finished()).encode()
    assert rebuild(body, "application/json", None, operation="responses", dialect="openai") == finished()


def test_events_without_names_are_told_by_their_type() -> None:
    """D9"""
    bare = [piece[piece.index(b"data:") :] for piece in events()]
    assert read(bare, "responses") == FACTS
    assert rebuilt(bare, "responses") == rebuilt(events(), "responses")


@pytest.mark.parametrize("count", range(1, len(events())))
def test_stream_without_its_last_event_is_incomplete_and_has_no_usage(count: int) -> None:
    """D5"""
    facts = read(events()[:count], "responses")
    assert (facts.complete, facts.usage_source, facts.usage.output_tokens) == (False, UsageSource.NONE, None)
    assert (facts.finish_reason, facts.error_type, facts.parse_error) == (None, None, None)


def test_output_of_a_broken_stream_is_put_together_as_far_as_it_came() -> None:
    whole = rebuilt(events()[:-1], "responses")
    assert whole is not None
    assert whole["output"] == OUTPUT
    cut = rebuilt(events()[:10], "responses")
    assert cut is not None
    text: Json = {"type": "output_text", "text": "It "}
    assert cut["output"] == [OUTPUT[0], {"id": "msg_1", "type": "message", "role": "assistant", "content": [text]}]


@pytest.mark.parametrize(
    ("kind", "fields", "finish", "error"),
    [
        ("response.incomplete", {"incomplete_details": {"reason": "max_output_tokens"}}, "max_output_tokens", None),
        ("response.incomplete", {"incomplete_details": None}, "incomplete", None),
        (
            "response.failed",
            {"error": {"code": "rate_limit_exceeded", "message": "M"}},
            "failed",
            "rate_limit_exceeded",
        ),
        ("response.failed", {"error": {"code": "made_up", "message": "M"}}, "failed", "other"),
        ("response.failed", {"error": None}, "failed", "other"),
    ],
)
def test_last_event_says_how_it_ended(kind: str, fields: dict[str, Json], finish: str, error: str | None) -> None:
    last = named(kind, 9, response=finished(kind.partition(".")[2], **fields))
    facts = read([*events()[:-1], last], "responses")
    assert (facts.finish_reason, facts.error_type, facts.complete) == (finish, error, True)
    assert (facts.usage_source, facts.usage.output_tokens) == (UsageSource.FINAL, 60)


def test_error_event_ends_a_stream_without_usage() -> None:
    error = named("error", 9, code="server_error", message="M", param=None)
    facts = read([*events()[:10], error], "responses")
    assert (facts.error_type, facts.error_message, facts.complete) == ("server_error", "M", False)
    assert facts.usage_source is UsageSource.NONE
    message = rebuilt([*events()[:10], error], "responses")
    assert message is not None
    assert isinstance(message["error"], dict)
    assert message["error"]["code"] == "server_error"


def test_stream_that_begins_with_an_error_has_no_response() -> None:
    error = named("error", 0, code="rate_limit_exceeded", message="M", param=None)
    assert read(error, "responses") == ResponseFacts(
        error_type="rate_limit_exceeded", error_message="M", complete=False
    )
    assert rebuilt([error], "responses") is None


@pytest.mark.parametrize(
    ("body", "finish", "error", "source"),
    [
        (finished("failed", error={"code": "server_error", "message": "M"}), "failed", "server_error", "final"),
        (response("failed", error={"code": "server_error", "message": "M"}), "failed", "server_error", "none"),
        (finished("incomplete", incomplete_details={"reason": "content_filter"}), "content_filter", None, "final"),
        (response("queued"), None, None, "none"),
        (response("cancelled"), "cancelled", None, "none"),
    ],
)
def test_status_of_a_whole_response_is_read(
    body: dict[str, Json], finish: str | None, error: str | None, source: str
) -> None:
    """A failure stands inside a 200."""
    facts = read_json(body, "responses")
    assert (facts.finish_reason, facts.error_type, facts.usage_source) == (finish, error, source)
    assert facts.complete is True


@pytest.mark.parametrize(
    ("first", "is_token"),
    [
        (named("response.output_text.delta", delta="a"), True),
        (named("response.output_text.delta", delta=""), False),
        (named("response.reasoning_summary_text.delta", delta="a"), True),
        (named("response.reasoning_text.delta", delta="a"), True),
        (named("response.function_call_arguments.delta", delta="{"), True),
        (named("response.refusal.delta", delta="I cannot"), True),
        (named("response.output_item.added", item={"type": "message"}), False),
        (named("response.web_search_call.searching"), False),
        (b"event: keepalive\ndata: {}\n\n", False),
    ],
)
def test_first_token_is_the_first_delta_with_content(first: bytes, is_token: bool) -> None:
    token = named("response.output_text.delta", delta="b")
    assert read([events()[0], first, token], "responses").first_token_ms == (2.0 if is_token else 3.0)


@pytest.mark.parametrize(
    ("piece", "problem"),
    [
        (b"event: response.completed\ndata: {\n\n", "response.completed: not readable as JSON"),
        (b"event: response.completed\ndata: 5\n\n", "response.completed: not readable as JSON"),
        (named("response.completed"), "response.completed without a response"),
        (named("response.completed", response=None), "response.completed without a response"),
        (named("response.completed", response=[]), "response.completed: not readable as JSON"),
        (named("response.completed", response=finished(status=["x"])), "finish_reason is not a name"),  # type: ignore[arg-type]
        (named("response.completed", response={"usage": 5}), "usage is not an object"),
    ],
)
def test_nonsense_is_a_problem_and_nothing_more(piece: bytes, problem: str) -> None:
    """D4"""
    facts = read([events()[0], piece], "responses")
    assert (facts.parse_error or "").startswith(problem)
    assert rebuilt([events()[0], piece], "responses") is not None


def test_events_after_the_last_one_count_for_nothing() -> None:
    again = named("response.completed", response=response(usage={"input_tokens": 1, "output_tokens": 1}))
    assert read([*events(), again], "responses") == replace(FACTS, parse_error="an event after the last one")


def test_events_of_other_kinds_are_kept_for_reading() -> None:
    strange = b'event: progress\ndata: {"percent":5}\n\n'
    assert read([strange], "responses").complete is None
    assert read([*events()[:-1], strange, events()[-1]], "responses") == FACTS
    message = rebuilt([strange, *events()], "responses")
    assert message is not None
    assert message["events"] == [{"event": "progress", "data": {"percent": 5}}]


def test_data_of_an_unnamed_error_is_an_error() -> None:
    assert read([data({"error": {"code": "server_error", "message": "M"}})], "responses").error_type == "server_error"


@pytest.mark.parametrize(
    ("output", "calls"),
    [
        (OUTPUT, True),
        (OUTPUT[:2], False),
        ([], False),
        ([{"type": "custom_tool_call", "name": "x", "input": "y"}], True),
        ([{"type": "web_search_call"}, {"type": "mcp_call"}], False),
        ([{"type": []}, {"type": 5}, {}], False),
        ([5], None),
        ("function_call", None),
        (None, None),
    ],
)
def test_completed_answer_says_whether_the_client_is_to_run_a_tool(output: Json, calls: bool | None) -> None:
    """S2-88"""
    done = response("completed", output=output, usage=USAGE)
    whole, streamed = read_json(done, "responses"), read([named("response.completed", response=done)], "responses")
    assert (whole.calls_tool, streamed.calls_tool) == (calls, calls)
    assert (whole.finish_reason, whole.parse_error, whole.usage) == ("completed", None, streamed.usage)


def test_answer_that_was_cut_short_calls_nothing() -> None:
    done = response("incomplete", output=OUTPUT, incomplete_details={"reason": "max_output_tokens"})
    assert read_json(done, "responses").calls_tool is None
