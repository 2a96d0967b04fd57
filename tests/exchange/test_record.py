"""What is derived from the record."""

from __future__ import annotations

from dataclasses import replace

import pytest

from proxy.exchange import Attempt, Exchange, Usage, WindowReading

EXCHANGE = replace(
    Exchange("px_1", "p", 1, "POST", "/v1/messages", "default"),
    stream=True,
    usage=Usage(input_tokens=4, output_tokens=95, cache_read_tokens=18_000, cache_creation_tokens=1_500),
    received_ms=1.0,
    connect_ms=30.0,
    sent_ms=40.0,
    headers_ms=2_000.0,
    first_byte_ms=2_010.0,
    first_sent_ms=2_010.5,
    first_token_ms=2_217.0,
    last_byte_ms=5_515.0,
    duration_ms=5_516.0,
    attempts=(Attempt(1, "anthropic", "api.test", 443, "1" * 16, started_ms=2.0),),
)


def test_times_are_counted_from_where_they_begin() -> None:
    """S2-57, S2-58, S0-8"""
    assert (EXCHANGE.ttft_ms, EXCHANGE.generation_ms, EXCHANGE.upstream_ms) == (2_177.0, 3_298.0, 5_513.0)


def test_latency_is_to_the_first_token_or_to_the_first_byte_of_what_is_not_streamed() -> None:
    """S2-14, S2-58"""
    assert replace(EXCHANGE, stream=True).latency_ms == 2_177.0
    assert replace(EXCHANGE, stream=True, first_token_ms=None).latency_ms is None
    assert replace(EXCHANGE, stream=False, first_token_ms=None).latency_ms == 1_970.0
    assert replace(EXCHANGE, first_token_ms=None, first_byte_ms=None).latency_ms is None


def test_throughput_leaves_the_first_token_out() -> None:
    """S2-75: 95 tokens in 3.298 s are 28.81 a second"""
    assert EXCHANGE.output_rate == pytest.approx(28.81, abs=0.005)
    assert replace(EXCHANGE, stream=False, first_token_ms=None).output_rate == pytest.approx(95 / 5.516)
    assert replace(EXCHANGE, first_token_ms=None).output_rate is None
    assert replace(EXCHANGE, first_token_ms=5_514.5).output_rate is None
    assert replace(EXCHANGE, usage=Usage()).output_rate is None


def test_overhead_is_neither_connecting_nor_waiting_for_the_upload() -> None:
    """N-25"""
    assert EXCHANGE.overhead_ms == pytest.approx(9.0 + 0.5)
    assert replace(EXCHANGE, sent_ms=None).overhead_ms is None


@pytest.mark.parametrize(
    ("wire", "normalized"),
    [
        ("end_turn", "stop"),
        ("max_tokens", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "refusal"),
        ("completed", "stop"),
        ("max_output_tokens", "length"),
        ("function_call", "tool_calls"),
        (None, None),
    ],
)
def test_finish_reasons_have_a_dialect_free_name(wire: str | None, normalized: str | None) -> None:
    """S2-88"""
    assert replace(EXCHANGE, finish_reason=wire).finish_reason_normalized == normalized


def test_answer_that_calls_a_tool_has_that_as_its_dialect_free_reason() -> None:
    """S2-88: a response says `completed` for both."""
    called = replace(EXCHANGE, finish_reason="completed", calls_tool=True)
    assert (called.finish_reason, called.finish_reason_normalized) == ("completed", "tool_calls")
    assert replace(called, calls_tool=False).finish_reason_normalized == "stop"


def test_only_a_refusal_says_when_a_limit_opens_again() -> None:
    rejected = (WindowReading("acme", "5h", 100.0, 2_000, "rejected"),)
    assert replace(EXCHANGE, status=429, windows=rejected).resets_at == 2_000
    assert replace(EXCHANGE, status=200, windows=rejected).resets_at is None
