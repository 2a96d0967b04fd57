"""The real OpenAI SDK through the proxy: the same as without it, and a record that is true."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from decimal import Decimal

import openai
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionFunctionToolParam, ChatCompletionMessageParam
from openai.types.responses import FunctionToolParam, Response

from proxy.demo.journal import Seen
from tests.end_to_end.conftest import Heard, Sides, Told, named
from tests.kit import laws
from tests.kit.process import Row

MODEL = "gpt-5"
ASKED: list[ChatCompletionMessageParam] = [{"role": "user", "content": "hello"}]
PARAMETERS: dict[str, object] = {"type": "object", "properties": {"at": {"type": "string"}}}
CHAT_TOOL: ChatCompletionFunctionToolParam = {
    "type": "function",
    "function": {"name": "weather", "parameters": PARAMETERS},
}
TOOL: FunctionToolParam = {"type": "function", "name": "weather", "strict": False, "parameters": PARAMETERS}
RATES = {"input_tokens": Decimal("1.25"), "cache_read_tokens": Decimal("0.125"), "output_tokens": Decimal(10)}
"""US dollars per million tokens of MODEL, as its provider lists them."""
Call = Callable[[openai.OpenAI], object]


def ask(sides: Sides, call: Call, scene: str | None = None, *, retries: int = 0) -> Told:
    """Makes a call both ways and compares what came of it."""

    def one(url: str, heard: Heard) -> object:
        http = openai.DefaultHttpxClient(event_hooks={"response": [heard.note]}, trust_env=False, verify=False)
        base, headers = f"{url}/v1", named(scene)
        with openai.OpenAI(
            base_url=base, http_client=http, api_key=laws.API_KEY, max_retries=retries, default_headers=headers
        ) as client:
            try:
                return call(client)
            except openai.OpenAIError as error:
                return error

    return sides._both(one)


def completed(client: openai.OpenAI) -> ChatCompletion:
    return client.chat.completions.create(model=MODEL, messages=ASKED, tools=[CHAT_TOOL])


def chunks(client: openai.OpenAI, *, usage: bool = True) -> list[str]:
    made = client.chat.completions
    if usage:
        options: openai.types.chat.ChatCompletionStreamOptionsParam = {"include_usage": True}
        with made.create(model=MODEL, messages=ASKED, stream=True, stream_options=options) as stream:
            return [chunk.model_dump_json() for chunk in stream]
    with made.create(model=MODEL, messages=ASKED, stream=True) as plain:
        return [chunk.model_dump_json() for chunk in plain]


def responded(client: openai.OpenAI) -> Response:
    return client.responses.create(model=MODEL, instructions="Be brief.", input="hello", tools=[TOOL])


def response_events(client: openai.OpenAI) -> list[str]:
    with client.responses.create(model=MODEL, input="hello", tools=[TOOL], stream=True) as stream:
        return [event.model_dump_json() for event in stream]


@pytest.mark.parametrize("scene", ["story", "text", "tool", "parallel_tools", "refusal", "gzip", "drip"])
def test_chats_are_the_same_and_their_records_true(sides: Sides, scene: str) -> None:
    """L4: whole and streamed"""
    told = ask(sides, completed, scene)
    assert isinstance(told.result, ChatCompletion)
    made, row = told.result, told.row
    assert made.usage is not None
    assert (row["model"], row["response_model"], row["message_id"]) == (MODEL, made.model, made.id)
    assert (row["finish_reason"], row["tool_count"]) == (made.choices[0].finish_reason, 1)
    assert (row["input_tokens"], row["output_tokens"]) == (made.usage.prompt_tokens, made.usage.completion_tokens)
    assert_answered(sides, row, told.seen[0], "chat", stream=False)

    told = ask(sides, chunks, scene)
    assert isinstance(told.result, list)
    usage = json.loads(told.result[-1])["usage"]
    assert (told.row["input_tokens"], told.row["output_tokens"]) == (usage["prompt_tokens"], usage["completion_tokens"])
    assert_answered(sides, told.row, told.seen[0], "chat", stream=True)


def test_chat_that_is_not_asked_for_its_usage_has_none(sides: Sides) -> None:
    told = ask(sides, lambda client: chunks(client, usage=False), "text")
    row = told.row
    assert (row["outcome"], row["usage_source"]) == ("ok", "none")
    assert (row["input_tokens"], row["output_tokens"], sides.cost(row)) == (None, None, None)
    assert_same_bytes(row, told.seen[0])


@pytest.mark.parametrize("scene", ["text", "thinking", "tool", "refusal", "gzip"])
def test_responses_are_the_same_and_their_records_true(sides: Sides, scene: str) -> None:
    told = ask(sides, responded, scene)
    assert isinstance(told.result, Response)
    made, row = told.result, told.row
    assert made.usage is not None
    details = made.usage.output_tokens_details
    assert (row["message_id"], row["finish_reason"], row["message_count"]) == (made.id, "completed", 1)
    assert row["calls_tool"] == any(item.type == "function_call" for item in made.output)
    assert (row["output_tokens"], row["reasoning_tokens"]) == (made.usage.output_tokens, details.reasoning_tokens)
    assert_answered(sides, row, told.seen[0], "responses", stream=False)

    told = ask(sides, response_events, scene)
    assert isinstance(told.result, list)
    last = json.loads(told.result[-1])
    assert last["type"] == "response.completed"
    assert told.row["output_tokens"] == last["response"]["usage"]["output_tokens"]
    assert_answered(sides, told.row, told.seen[0], "responses", stream=True)


def test_cached_input_is_told_apart_and_priced(sides: Sides) -> None:
    said: list[ChatCompletionMessageParam] = [
        {"role": "system", "content": "Be careful. " * 2_000},
        *ASKED,
        {"role": "assistant", "content": "Hi."},
        {"role": "user", "content": "And now?"},
    ]
    rows = []
    for number in range(12):
        said[-1] = {"role": "user", "content": f"And now {number}?"}
        told = ask(sides, lambda client: client.chat.completions.create(model=MODEL, messages=said), "text")
        assert isinstance(told.result, ChatCompletion)
        assert told.result.usage is not None
        assert told.row["input_tokens"] + told.row["cache_read_tokens"] == told.result.usage.prompt_tokens
        assert Decimal(sides.cost(told.row) or "NaN") == price(told.row)
        rows.append(told.row)
    assert any(row["cache_read_tokens"] > 1_000 for row in rows)


def test_embeddings_and_images_are_counted(sides: Sides) -> None:
    told = ask(sides, lambda client: client.embeddings.create(model="text-embedding-3-small", input=["one", "two"]))
    row = told.row
    assert json.loads(row["parameters"]) == {"encoding_format": "base64"}
    assert (row["operation"], row["input_tokens"], row["output_tokens"]) == ("embeddings", 2, None)
    assert (row["usage_source"], Decimal(sides.cost(row) or "NaN")) == ("final", Decimal("0.00000004"))
    told = ask(sides, lambda client: client.images.generate(model="gpt-image-2", prompt="A red square"))
    assert (told.row["operation"], told.row["output_tokens"], told.row["usage_source"]) == ("images", 1_056, "final")

    def streamed(client: openai.OpenAI) -> list[str]:
        with client.images.generate(model="gpt-image-2", prompt="x", stream=True, partial_images=2) as stream:
            return [event.type for event in stream]

    told = ask(sides, streamed)
    assert (told.row["output_tokens"], told.row["stream"], told.row["outcome"]) == (1_056, 1, "ok")
    assert told.row["first_token_ms"] is not None
    assert_same_bytes(told.row, told.seen[0])


@pytest.mark.parametrize(
    ("scene", "error", "status", "error_type"),
    [
        ("rate_limited", openai.RateLimitError, 429, "rate_limit_exceeded"),
        ("limit_reached", openai.RateLimitError, 429, "insufficient_quota"),
        ("minute_limit", openai.RateLimitError, 429, "rate_limit_exceeded"),
        ("overloaded", openai.InternalServerError, 503, "server_error"),
        ("unauthorized", openai.AuthenticationError, 401, "invalid_request_error"),
        ("prompt_too_long", openai.BadRequestError, 400, "invalid_request_error"),
        ("bad_gateway", openai.InternalServerError, 502, "other"),
    ],
)
def test_failures_raise_the_same_exception_and_are_recorded(
    sides: Sides, scene: str, error: type[openai.APIStatusError], status: int, error_type: str
) -> None:
    for call in (completed, responded):
        told = ask(sides, call, scene)
        assert isinstance(told.result, error)
        row = told.row
        assert (row["status"], row["outcome"], row["error_type"]) == (status, "upstream_error", error_type)
        assert_same_bytes(row, told.seen[0])
        if scene != "bad_gateway":
            assert row["upstream_request_id"] == told.result.request_id


def test_failures_inside_a_200_are_recorded(sides: Sides) -> None:
    """A response says it in its status, streams in an event."""
    told = ask(sides, responded, "error_midstream")
    assert isinstance(told.result, Response)
    assert (told.result.status, told.row["status"]) == ("failed", 200)
    assert (told.row["outcome"], told.row["error_type"]) == ("error_in_stream", "server_error")
    assert (told.row["usage_source"], told.row["finish_reason"]) == ("final", "failed")
    for call in (chunks, response_events):
        told = ask(sides, call, "error_midstream")
        assert (told.row["outcome"], told.row["error_type"]) == ("error_in_stream", "server_error")
        assert (told.row["usage_source"], told.row["output_tokens"], sides.cost(told.row)) == ("estimated", None, None)
        assert told.row["output_tokens_estimated"] > 0
        assert_same_bytes(told.row, told.seen[0])


@pytest.mark.parametrize(("scene", "usage_source"), [("unfinished", "estimated"), ("empty", "none")])
@pytest.mark.parametrize("call", [chunks, response_events])
def test_streams_without_their_end_are_truncated(sides: Sides, call: Call, scene: str, usage_source: str) -> None:
    """D5"""
    told = ask(sides, call, scene)
    assert (told.row["status"], told.row["outcome"], told.row["usage_source"]) == (200, "truncated", usage_source)
    assert (told.row["output_tokens_estimated"] is None) == (usage_source == "none")
    assert_same_bytes(told.row, told.seen[0])


def test_limits_are_read_and_belong_to_the_organisation(sides: Sides) -> None:
    row = ask(sides, completed, "text").row
    limits = sides.proxy.rows("SELECT * FROM limits WHERE request_id = ? ORDER BY kind", row["request_id"])
    assert [limit["kind"] for limit in limits] == ["requests", "tokens"]
    assert all(limit["account"] == row["account"] == row["upstream_organization_id"] for limit in limits)
    assert all(limit["remaining"] <= limit["limit"] and limit["resets_at"] > 1_700_000_000 for limit in limits)


def test_each_try_of_a_retrying_sdk_is_a_record_of_its_own(sides: Sides) -> None:
    told = ask(sides, completed, "overloaded", retries=1)
    assert isinstance(told.result, openai.InternalServerError)
    assert [row["retry_count"] for row in told.rows] == [0, 1]


def test_the_clients_bytes_are_the_upstreams(sides: Sides) -> None:
    def call(client: openai.OpenAI) -> str:
        raw = client.chat.completions.with_streaming_response
        with raw.create(model=MODEL, messages=ASKED, stream=True) as response:
            return hashlib.sha256(b"".join(response.http_response.iter_raw())).hexdigest()

    told = ask(sides, call, "gzip")
    assert told.result == told.seen[0].sent_sha256 == told.row["response_sha256"]


def assert_answered(sides: Sides, row: Row, seen: Seen, operation: str, *, stream: bool) -> None:
    """The record is that of a whole answer with all its tokens and their price."""
    expected = {
        "outcome": "ok",
        "status": 200,
        "dialect": "openai",
        "provider": "openai",
        "operation": operation,
        "stream": int(stream),
        "usage_source": "final",
        "service_tier": "default",
        "error_type": None,
        "parse_error": None,
    }
    assert {name: row[name] for name in expected} == expected
    assert_same_bytes(row, seen)
    assert Decimal(sides.cost(row) or "NaN") == price(row)


def assert_same_bytes(row: Row, seen: Seen) -> None:
    """L4: what the upstream got and gave is what the ledger has hashes of, and the client got all of it."""
    assert (row["request_sha256"], row["request_bytes"]) == (seen.body_sha256, seen.body_bytes)
    assert (row["response_sha256"], row["response_bytes"]) == (seen.sent_sha256, seen.sent_bytes)
    assert row["delivered_bytes"] == seen.sent_bytes


def price(row: Row) -> Decimal:
    """By hand, from the list prices."""
    return sum((rate * (row[name] or 0) for name, rate in RATES.items()), Decimal(0)) / 1_000_000
