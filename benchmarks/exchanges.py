"""A finished exchange of which everything is known, with fixed ids and clocks: for benchmarks and tests."""

from __future__ import annotations

from proxy.exchange import Attempt, Exchange, Outcome, Usage, UsageSource

START_NS = 1_795_000_000_000_000_000
SECOND_NS = 1_000_000_000


def request_id(number: int) -> str:
    """An id of the right shape that sorts by `number`."""
    return f"px_{number:026d}"


def attempt(number: int = 1, *, status: int | None = 200, exchange: int = 1) -> Attempt:
    """One try, with all its times."""
    return Attempt(
        number=number,
        upstream="anthropic",
        server_address="api.anthropic.com",
        server_port=443,
        span_id=f"{exchange * 16 + number:016x}",
        started_ms=2.0,
        connect_ms=1.0,
        sent_ms=5.0,
        headers_ms=100.0,
        ended_ms=2005.0,
        status=status,
        upstream_request_id=f"req_{exchange}",
    )


def exchange(number: int = 1) -> Exchange:
    """A finished stream of which everything is known: 0.012072 dollars at list price."""
    return Exchange(
        request_id=request_id(number),
        process="relay-1",
        started_ns=START_NS + number * SECOND_NS,
        method="POST",
        path="/v1/messages",
        endpoint="default",
        outcome=Outcome.OK,
        organization="acme",
        key="caller-abcdefgh",
        session_id="session-1",
        account="acme",
        client="claude-cli/2.0",
        upstream="anthropic",
        provider="anthropic",
        dialect="anthropic",
        operation="messages",
        model="claude-sonnet-4-6",
        response_model="claude-sonnet-4-6",
        stream=True,
        status=200,
        finish_reason="end_turn",
        upstream_request_id=f"req_{number}",
        message_id=f"msg_{number}",
        usage=Usage(
            input_tokens=4,
            output_tokens=24,
            cache_read_tokens=18_000,
            cache_creation_tokens=1_500,
            cache_creation_5m_tokens=1_200,
            cache_creation_1h_tokens=300,
            reasoning_tokens=7,
        ),
        usage_source=UsageSource.FINAL,
        parameters='{"max_tokens":1024,"temperature":0.5,"thinking":"enabled"}',
        request_bytes=70_000,
        response_bytes=900,
        delivered_bytes=900,
        trace_id=f"{number:032x}",
        span_id=f"{number * 16:016x}",
        parent_span_id="00000000000000ff",
        received_ms=1.0,
        sent_ms=5.0,
        connect_ms=1.0,
        headers_ms=100.0,
        first_byte_ms=105.0,
        first_sent_ms=105.5,
        first_token_ms=405.0,
        last_byte_ms=2_002.0,
        duration_ms=2_005.0,
        attempts=(attempt(exchange=number),),
    )
