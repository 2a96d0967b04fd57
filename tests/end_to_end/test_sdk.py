"""The real SDK, synchronous and asynchronous, through the proxy: the same as without it, and a record that is true."""

from __future__ import annotations

import asyncio
import hashlib
from decimal import Decimal
from pathlib import Path

import anthropic
import httpx2
import pytest
from anthropic.types import Message, MessageParam, ToolParam

from proxy.demo.journal import Seen
from tests.end_to_end.conftest import Call, Sides, comparable
from tests.kit import laws
from tests.kit.process import Proxy, Row
from tests.kit.upstream import Upstream

MODEL = "claude-sonnet-4-6"
ASKED: list[MessageParam] = [{"role": "user", "content": "hello"}]
MAX_TOKENS = 20_000
RATES = {
    # US dollars per million tokens of MODEL, as its provider lists them
    "input_tokens": Decimal(3),
    "output_tokens": Decimal(15),
    "cache_read_tokens": Decimal("0.3"),
    "cache_creation_5m_tokens": Decimal("3.75"),
    "cache_creation_1h_tokens": Decimal(6),
}
SEARCH_USD = Decimal("0.01")
US_FACTOR = Decimal("1.1")

ANSWERING = (
    *("story", "story_gzip", "text", "thinking", "tool", "parallel_tools", "web_search", "long", "refusal", "gzip"),
    "drip",
)
FAILING = {
    "rate_limited": (anthropic.RateLimitError, 429, "rate_limit_error"),
    "minute_limit": (anthropic.RateLimitError, 429, "rate_limit_error"),
    "limit_reached": (anthropic.RateLimitError, 429, "rate_limit_error"),
    "overloaded": (anthropic.OverloadedError, 529, "overloaded_error"),
    "api_error": (anthropic.InternalServerError, 500, "api_error"),
    "unauthorized": (anthropic.AuthenticationError, 401, "authentication_error"),
    "prompt_too_long": (anthropic.BadRequestError, 400, "invalid_request_error"),
    "bad_gateway": (anthropic.InternalServerError, 502, "other"),
}
STATUSES = (*range(400, 432), 451, *range(499, 505), 511, 520, 529)
"""Of all these the SDK makes exceptions, most of them classes of their own."""


def created(client: anthropic.Anthropic) -> Message:
    return client.messages.create(model=MODEL, max_tokens=MAX_TOKENS, messages=ASKED)


def streamed(client: anthropic.Anthropic) -> Message:
    with client.messages.stream(model=MODEL, max_tokens=MAX_TOKENS, messages=ASKED) as stream:
        return stream.get_final_message()


def listed(client: anthropic.Anthropic) -> list[str]:
    """Every event of a raw stream as JSON."""
    with client.messages.create(model=MODEL, max_tokens=MAX_TOKENS, messages=ASKED, stream=True) as stream:
        return [event.model_dump_json() for event in stream]


async def created_async(client: anthropic.AsyncAnthropic) -> Message:
    return await client.messages.create(model=MODEL, max_tokens=MAX_TOKENS, messages=ASKED)


async def streamed_async(client: anthropic.AsyncAnthropic) -> Message:
    async with client.messages.stream(model=MODEL, max_tokens=MAX_TOKENS, messages=ASKED) as stream:
        return await stream.get_final_message()


@pytest.mark.parametrize("scene", ANSWERING)
def test_answers_are_the_same_and_their_records_true(sides: Sides, scene: str) -> None:
    """S0-13 … S0-28, L4: sync and async, whole and streamed"""
    for told, stream in (
        (sides.ask(created, scene), False),
        (sides.ask(streamed, scene), True),
        (sides.ask_async(created_async, scene), False),
        (sides.ask_async(streamed_async, scene), True),
    ):
        message = told.result
        assert isinstance(message, Message)
        assert_answered(told.row, told.seen[0], message, stream)
        assert Decimal(sides.cost(told.row) or "NaN") == price(told.row)


def test_a_subscription_is_told_from_its_answers_and_its_windows_are_kept(sides: Sides) -> None:
    told = sides.ask(streamed, "text", oauth=True)
    assert told.row["billing"] == "subscription"
    assert told.row["key"].startswith("caller-")
    windows = sides.proxy.rows('SELECT * FROM windows WHERE request_id = ? ORDER BY "window"', told.row["request_id"])
    assert [(row["window"], row["status"]) for row in windows] == [("5h", "allowed"), ("7d", "allowed")]
    assert all(0 < row["utilization"] < 100 and row["resets_at"] > 1_700_000_000 for row in windows)


def test_tools_with_caching_and_system_prompt_pass_and_are_counted(sides: Sides) -> None:
    tools: list[ToolParam] = [
        {
            "name": name,
            "description": "Looks something up. " * 100,
            "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
        }
        for name in ("weather", "news")
    ]

    def call(client: anthropic.Anthropic) -> Message:
        return client.messages.create(
            model=MODEL,
            max_tokens=MAX_TOKENS,
            system=[
                {"type": "text", "text": "Be brief. " * 800, "cache_control": {"type": "ephemeral", "ttl": "1h"}},
                {"type": "text", "text": "Be polite. " * 800, "cache_control": {"type": "ephemeral"}},
            ],
            tools=tools,
            messages=ASKED,
        )

    for _ in range(2):
        told = sides.ask(call, "tool")
        assert isinstance(told.result, Message)
        assert told.row["tool_count"] == 2
        assert_answered(told.row, told.seen[0], told.result, False)
        assert Decimal(sides.cost(told.row) or "NaN") == price(told.row)
    assert told.row["cache_creation_tokens"] or told.row["cache_read_tokens"]


@pytest.mark.parametrize("scene", FAILING)
def test_failures_raise_the_same_exception_and_are_recorded(sides: Sides, scene: str) -> None:
    error, status, error_type = FAILING[scene]
    for told in (sides.ask(created, scene), sides.ask(streamed, scene), sides.ask_async(created_async, scene)):
        assert isinstance(told.result, error)
        row = told.row
        assert (row["status"], row["outcome"], row["error_type"]) == (status, "upstream_error", error_type)
        assert_same_bytes(row, told.seen[0])
        assert (row["input_tokens"], sides.cost(row)) == (None, None)


def test_an_answer_of_any_error_status_raises_the_same_exception(tmp_path: Path) -> None:
    body = b'{"type":"error","error":{"type":"%s","message":"no"},"request_id":"req_1"}' % b"permission_error"
    with Upstream().running() as upstream:
        proxy = Proxy(tmp_path, upstream.url)
        with proxy.running(), sdk(upstream.url) as direct, sdk(proxy.base_url) as relayed:
            for status in STATUSES:
                upstream.script = lambda talk, status=status: talk.answer(body, status=f"{status} No")  # type: ignore[misc]
                assert raised(relayed) == raised(direct)
            rows = proxy.finished(len(STATUSES))
            assert [row["status"] for row in rows] == list(STATUSES)
            assert {(row["outcome"], row["error_type"]) for row in rows} == {("upstream_error", "permission_error")}
            laws.check(proxy)


def sdk(url: str) -> anthropic.Anthropic:
    http = anthropic.DefaultHttpxClient(trust_env=False, verify=False)
    return anthropic.Anthropic(base_url=url, api_key=laws.API_KEY, http_client=http, max_retries=0)


def raised(client: anthropic.Anthropic) -> object:
    with pytest.raises(anthropic.APIStatusError) as error:
        created(client)
    return comparable(error.value)


@pytest.mark.parametrize("scene", ["error_first", "error_midstream"])
def test_an_error_event_raises_the_same_exception_and_is_recorded(sides: Sides, scene: str) -> None:
    told = sides.ask(listed, scene)
    assert isinstance(told.result, anthropic.APIStatusError)
    row = told.row
    assert (row["status"], row["outcome"], row["error_type"]) == (200, "error_in_stream", "overloaded_error")
    assert_same_bytes(row, told.seen[0])


@pytest.mark.parametrize("call", [created, listed])
def test_a_cut_answer_breaks_the_clients_connection_too_and_is_recorded(sides: Sides, call: Call) -> None:
    told = sides.ask(call, "cut")
    assert isinstance(told.result, httpx2.RemoteProtocolError | anthropic.APIConnectionError)
    row, known = told.row, "partial" if call is listed else "none"
    assert (row["status"], row["outcome"], row["usage_source"]) == (200, "truncated", known)
    assert_same_bytes(row, told.seen[0])


@pytest.mark.parametrize("scene", ["unfinished", "empty"])
def test_a_stream_without_its_end_is_passed_as_it_is_and_recorded_as_truncated(sides: Sides, scene: str) -> None:
    told = sides.ask(listed, scene)
    assert isinstance(told.result, list)
    assert (told.row["status"], told.row["outcome"]) == (200, "truncated")
    assert_same_bytes(told.row, told.seen[0])


@pytest.mark.parametrize("scene", ["stalled", "mute"])
def test_a_client_that_gives_up_is_recorded_and_the_upstream_is_let_go(sides: Sides, scene: str) -> None:
    told = sides.ask(listed, scene, timeout=0.3)
    assert isinstance(told.result, httpx2.ReadTimeout | anthropic.APITimeoutError)
    assert told.seen[0].disconnected
    assert told.row["outcome"] == "client_disconnected"


def test_counting_tokens_and_listing_models_work_and_are_recorded(sides: Sides) -> None:
    counted = sides.ask(lambda client: client.messages.count_tokens(model=MODEL, messages=ASKED))
    assert (counted.row["operation"], counted.row["outcome"]) == ("count_tokens", "ok")
    assert (counted.row["model"], counted.row["output_tokens"], sides.cost(counted.row)) == (MODEL, None, None)
    models = sides.ask(lambda client: [model.id for model in client.models.list()])
    assert isinstance(models.result, list)
    assert MODEL in models.result
    assert (models.row["operation"], models.row["method"], models.row["path"]) == ("models", "GET", "/v1/models")
    assert sides.ask(lambda client: client.models.retrieve(MODEL)).row["outcome"] == "ok"
    missing = sides.ask(lambda client: client.models.retrieve("claude-none"))
    assert isinstance(missing.result, anthropic.NotFoundError)
    assert (missing.row["status"], missing.row["error_type"]) == (404, "not_found_error")


def test_operations_the_upstream_does_not_know_pass_and_are_recorded(sides: Sides) -> None:
    batches = sides.ask(lambda client: [batch.id for batch in client.messages.batches.list()])
    assert isinstance(batches.result, anthropic.NotFoundError)
    assert (batches.row["operation"], batches.row["status"]) == ("batches", 404)


def test_each_try_of_a_retrying_sdk_is_a_record_of_its_own(sides: Sides) -> None:
    told = sides.ask(created, "overloaded", retries=1)
    assert isinstance(told.result, anthropic.OverloadedError)
    assert [row["retry_count"] for row in told.rows] == [0, 1]
    assert {(row["status"], row["error_type"]) for row in told.rows} == {(529, "overloaded_error")}


def test_the_clients_bytes_of_a_compressed_stream_are_the_upstreams(sides: Sides) -> None:
    def call(client: anthropic.Anthropic) -> str:
        raw = client.messages.with_streaming_response
        with raw.create(model=MODEL, max_tokens=MAX_TOKENS, messages=ASKED, stream=True) as response:
            assert response.headers["content-encoding"] == "gzip"
            return hashlib.sha256(b"".join(response.http_response.iter_raw())).hexdigest()

    told = sides.ask(call, "gzip")
    assert told.result == told.seen[0].sent_sha256 == told.row["response_sha256"]


def test_streams_that_run_at_the_same_time_keep_their_answers_apart(sides: Sides) -> None:
    async def call(client: anthropic.AsyncAnthropic) -> list[str]:
        return await asyncio.gather(*(one(client, number) for number in range(24)))

    async def one(client: anthropic.AsyncAnthropic, number: int) -> str:
        question: list[MessageParam] = [{"role": "user", "content": f"question {number}"}]
        async with client.messages.stream(model=MODEL, max_tokens=MAX_TOKENS, messages=question) as stream:
            return (await stream.get_final_message()).model_dump_json()

    told = sides.ask_async(call, "text")
    seen = {request.body_sha256: request for request in told.seen}
    assert len(seen) == len(told.rows) == 24
    for row in told.rows:
        assert_same_bytes(row, seen[row["request_sha256"]])


def assert_answered(row: Row, seen: Seen, message: Message, stream: bool) -> None:
    """The record says what SDK and journal say."""
    usage = message.usage
    written, details, searches = usage.cache_creation, usage.output_tokens_details, usage.server_tool_use
    assert {name: row[name] for name in EXPECTED} == {
        "outcome": "ok",
        "status": 200,
        "operation": "messages",
        "method": "POST",
        "path": "/v1/messages",
        "stream": int(stream),
        "model": MODEL,
        "response_model": message.model,
        "message_id": message.id,
        "finish_reason": message.stop_reason,
        "usage_source": "final",
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cache_read_tokens": usage.cache_read_input_tokens,
        "cache_creation_tokens": usage.cache_creation_input_tokens,
        "cache_creation_5m_tokens": written.ephemeral_5m_input_tokens if written else None,
        "cache_creation_1h_tokens": written.ephemeral_1h_input_tokens if written else None,
        "reasoning_tokens": details.thinking_tokens if details else None,
        "web_search_requests": searches.web_search_requests if searches else None,
        "inference_geo": usage.inference_geo,
        "service_tier": "standard",
        "error_type": None,
        "parse_error": None,
        "redacted": 0,
    }
    assert_same_bytes(row, seen)


EXPECTED = (
    *("outcome", "status", "operation", "method", "path", "stream", "model", "response_model", "message_id"),
    *("finish_reason", "usage_source", "input_tokens", "output_tokens", "cache_read_tokens", "cache_creation_tokens"),
    *("cache_creation_5m_tokens", "cache_creation_1h_tokens", "reasoning_tokens", "web_search_requests"),
    *("inference_geo", "service_tier", "error_type", "parse_error", "redacted"),
)


def assert_same_bytes(row: Row, seen: Seen) -> None:
    """L4: what the upstream got and gave is what the ledger has hashes of, and the client got all of it."""
    assert (row["request_sha256"], row["request_bytes"]) == (seen.body_sha256, seen.body_bytes)
    assert (row["response_sha256"], row["response_bytes"]) == (seen.sent_sha256, seen.sent_bytes)
    assert row["delivered_bytes"] == seen.sent_bytes


def price(row: Row) -> Decimal:
    """By hand, from the list prices."""
    tokens = sum((rate * (row[name] or 0) for name, rate in RATES.items()), Decimal(0)) / 1_000_000
    searches = SEARCH_USD * (row["web_search_requests"] or 0)
    return tokens * (US_FACTOR if row["inference_geo"] == "us" else 1) + searches
