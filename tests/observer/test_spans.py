"""Spans: whole spans, their ids and parents, and what is no model call."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from proxy.exchange import Exchange, Outcome
from proxy.ledger.costs import Cost
from proxy.names import attributes
from proxy.observer.spans import spans
from proxy.observer.wire import Kind
from tests.observer.samples import SECOND_NS, START_NS, attempt, exchange, refused, request_id
from tests.observer.sent import Span, span

COST = Cost("v1", Decimal("0.012072"))
ACCEPTED_NS = START_NS + SECOND_NS


def made(one: Exchange, cost: Cost | None = COST) -> list[Span]:
    return [span(item) for item in spans(one, cost)]


def test_the_server_span_tells_of_the_exchange() -> None:
    server = made(exchange())[0]
    assert (server.name, server.kind) == ("POST messages", Kind.SERVER)
    assert (server.start_ns, server.end_ns) == (ACCEPTED_NS, ACCEPTED_NS + 2_005_000_000)
    assert server.attributes == {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "http.request.body.size": 70_000,
        "http.response.body.size": 900,
        "url.scheme": "http",
        "url.path": "/v1/messages",
        "user_agent.name": "claude-cli/2.0",
        "proxy.request_id": request_id(1),
        "proxy.endpoint": "default",
        "proxy.operation": "messages",
        "proxy.outcome": "ok",
        "proxy.organization": "acme",
        "proxy.key": "caller-abcdefgh",
    }
    assert (server.failed, server.failure, server.events) == (False, None, ())


def test_the_client_span_tells_of_the_model_call() -> None:
    """P-10, F-37: input tokens include the cache."""
    client = made(exchange())[1]
    assert (client.name, client.kind) == ("chat claude-sonnet-4-6", Kind.CLIENT)
    assert (client.start_ns, client.end_ns) == (ACCEPTED_NS + 2_000_000, ACCEPTED_NS + 2_005_000_000)
    assert client.attributes == {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "server.address": "api.anthropic.com",
        "server.port": 443,
        "proxy.request_id": request_id(1),
        "proxy.upstream": "anthropic",
        "proxy.upstream_request_id": "req_1",
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "anthropic",
        "gen_ai.conversation.id": "session-1",
        "gen_ai.request.model": "claude-sonnet-4-6",
        "gen_ai.request.stream": True,
        "gen_ai.request.max_tokens": 1024,
        "gen_ai.request.temperature": 0.5,
        "gen_ai.response.id": "msg_1",
        "gen_ai.response.model": "claude-sonnet-4-6",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.response.time_to_first_chunk": 0.1,
        "proxy.finish_reason": "end_turn",
        "proxy.cost_usd": 0.012072,
        "gen_ai.usage.input_tokens": 19_504,
        "gen_ai.usage.output_tokens": 24,
        "gen_ai.usage.cache_read.input_tokens": 18_000,
        "gen_ai.usage.cache_write.input_tokens": 1_500,
        "gen_ai.usage.reasoning.output_tokens": 7,
    }
    assert client.events == (("first_byte", ACCEPTED_NS + 105_000_000), ("first_token", ACCEPTED_NS + 405_000_000))


def test_ids_are_those_of_the_record_and_the_caller_is_the_parent() -> None:
    server, client = made(exchange())
    assert (server.trace_id, server.span_id, server.parent_id, server.parent_is_remote) == (1, 16, 0xFF, True)
    assert (client.trace_id, client.span_id, client.parent_id, client.parent_is_remote) == (1, 17, 16, False)


@pytest.mark.parametrize("bad", [None, "", "0" * 32, "x" * 32, "1", "-" * 32, "１" * 32])
def test_ids_that_are_none_are_derived_and_stay_the_same(bad: str | None) -> None:
    """G15."""
    odd = replace(exchange(), trace_id=bad, span_id=bad, parent_span_id=bad)
    first, again = made(odd), made(odd)
    assert first == again
    assert all(one.trace_id and one.span_id for one in first)
    assert first[0].parent_id is None
    assert first[0].trace_id != made(replace(odd, request_id=request_id(2)))[0].trace_id


def test_a_refusal_is_an_error_of_the_client_span_only() -> None:
    server, client = made(refused())
    assert (server.failed, client.failed, client.failure) == (False, True, refused().error_message)
    assert client.attributes["error.type"] == "rate_limit_error"
    assert server.attributes["error.type"] == "rate_limit_error"


def test_an_error_inside_a_200_is_an_error_of_both() -> None:
    """N-8, F-29."""
    broken = replace(exchange(), outcome=Outcome.ERROR_IN_STREAM, finish_reason=None, error_type="overloaded_error")
    server, client = made(broken)
    assert server.failed
    assert client.failed
    assert client.attributes["gen_ai.response.finish_reasons"] == ("error",)


def test_each_attempt_has_a_span_and_the_answer_is_on_the_last() -> None:
    first = replace(attempt(1, status=529), error_type="overloaded_error")
    server, failed, served = made(replace(exchange(), attempts=(first, attempt(2))))
    assert failed.attributes["error.type"] == "overloaded_error"
    assert "gen_ai.usage.output_tokens" not in failed.attributes
    assert served.attributes["http.request.resend_count"] == 1
    assert served.attributes["gen_ai.usage.output_tokens"] == 24
    assert "proxy.attempts_omitted" not in server.attributes


def test_there_are_never_more_than_five_spans() -> None:
    """G16."""
    many = tuple(attempt(number) for number in range(1, 12))
    made_of_many = made(replace(exchange(), attempts=many))
    assert len(made_of_many) == 5
    assert made_of_many[0].attributes["proxy.attempts_omitted"] == 7
    assert made_of_many[-1].attributes["http.request.resend_count"] == 10


@pytest.mark.parametrize("operation", ["count_tokens", "models", "files", "other"])
def test_what_is_no_model_call_has_no_genai_attributes(operation: str) -> None:
    """F-36."""
    server, client = made(replace(exchange(), operation=operation, method="GET"))
    assert server.name == client.name == ("GET" if operation == "other" else f"GET {operation}")
    assert not [name for name in client.attributes if name.startswith("gen_ai")]


def test_a_made_up_method_is_not_a_span_name() -> None:
    server, _ = made(replace(exchange(), method="BREW" * 100, operation="other"))
    assert server.name == "HTTP"
    assert server.attributes["http.request.method"] == "_OTHER"


def test_a_request_that_never_left_has_one_span() -> None:
    rejected = replace(exchange(), outcome=Outcome.REJECTED, status=403, error_type="forbidden", attempts=())
    (server,) = made(rejected)
    assert server.attributes["proxy.outcome"] == "rejected"


def test_nothing_unknown_reaches_the_encoder_and_all_names_are_in_the_table() -> None:
    """F-36: a None attribute breaks the exporter."""
    bare = Exchange(request_id(1), "relay-1", ACCEPTED_NS, "POST", "/v1/messages", "default", operation="messages")
    known = {each.name for each in attributes.SPAN}
    for one in (bare, exchange(), refused(), replace(bare, attempts=(replace(attempt(), started_ms=None),))):
        for each in made(one, None):
            assert None not in each.attributes.values()
            assert set(each.attributes) <= known


@pytest.mark.parametrize(
    "parameters", [None, "", "[]", "{", '{"max_tokens":"many","temperature":true}', f'{{"max_tokens":{2**63}}}']
)
def test_odd_parameters_are_left_out(parameters: str | None) -> None:
    client = made(replace(exchange(), parameters=parameters))[1]
    assert not [name for name in client.attributes if name in ("gen_ai.request.max_tokens",)]


def test_spans_stay_small() -> None:
    huge = replace(exchange(), model="x" * 100_000, path="/" + "ö" * 100_000, error_message="\ud800" * 9)
    for item in spans(huge, COST):
        each = span(item)
        assert max(len(str(value).encode()) for value in each.attributes.values()) <= 1024
        assert len(each.name.encode()) < 256
        assert len(item) < 16_384
