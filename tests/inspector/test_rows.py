from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from proxy.exchange import Exchange, Outcome, Usage
from proxy.inspector.rows import INCLUDED, Badge, Money, Row, badge, row
from proxy.ledger.costs import Cost, LineItem
from proxy.ledger.queries import Listed
from tests.inspector.filling import accepted, answered, failed

COST = Cost("prices 1", Decimal("0.051006"), (LineItem("prompt", 16_527, Decimal("0.049581"), Decimal(3)),))


def test_a_row_shows_every_column() -> None:
    """S0-4 … S0-9, S2-9 … S2-23"""
    assert row(Listed(answered("px_1"), COST)) == Row(
        request_id="px_1",
        version="ok prices 1",
        time="2026-11-21T12:51:31.000Z",
        time_utc="2026-11-21 12:51:31.000 UTC",
        upstream="anthropic",
        model="claude-sonnet-4-5",
        response_model="claude-sonnet-4-5-20250929",
        response_short="…-20250929",
        operation="messages",
        badge=Badge("ok", "✓", "200", "ok", "ok"),
        input_tokens="17,025",
        input_parts=(
            ("prompt", "25"),
            ("input_cache_read", "16,000"),
            ("input_cache_write", "1,000"),
            ("input_cache_write_5_min", "700"),
            ("input_cache_write_1_h", "300"),
        ),
        output_tokens="65",
        money=Money("$0.0510", None, None, "Settled", "$0.051006", (("prompt", "$0.049581"),)),
        latency="881 ms",
        latency_title="From sending the request to the first token",
        duration="2.89 s",
        throughput="32.8 tok/s",
        finish="tool_use",
        endpoint="default",
    )


def test_an_open_request_is_all_unknown() -> None:
    seen = row(Listed(accepted("px_1"), None))

    assert seen.badge == Badge("open", "◌", "", "open", "Not finished yet")
    assert {seen.input_tokens, seen.output_tokens, seen.latency, seen.duration, seen.throughput, seen.finish} == {"—"}
    assert (seen.money.text, seen.money.tag) == ("—", "Pending")


@pytest.mark.parametrize(
    ("exchange", "level", "status", "words"),
    [
        (failed("px_1"), "error", "429", "rate_limit_error"),
        (failed("px_1", error_type=None), "error", "429", "upstream error"),
        (
            answered("px_1", outcome=Outcome.ERROR_IN_STREAM, error_type="overloaded_error"),
            "error", "200", "in stream: overloaded_error",
        ),
        (answered("px_1", outcome=Outcome.TRUNCATED), "error", "200", "cut off by the upstream"),
        (answered("px_1", outcome=Outcome.CLIENT_DISCONNECTED), "warn", "200", "client left"),
        (failed("px_1", outcome=Outcome.UPSTREAM_UNREACHABLE, status=502, error_type="dns"),
         "error", "502", "upstream unreachable: dns"),
        (failed("px_1", outcome=Outcome.INTERRUPTED, status=None, error_type=None), "error", "—", "interrupted"),
    ],
)  # fmt: skip
def test_failures_are_marked_by_level_mark_and_words(exchange: Exchange, level: str, status: str, words: str) -> None:
    seen = badge(exchange)

    assert (seen.level, seen.status, seen.words) == (level, status, words)
    assert seen.mark in "✕!"


@pytest.mark.parametrize("outcome", list(Outcome))
def test_every_outcome_has_a_badge(outcome: Outcome) -> None:
    assert badge(answered("px_1", outcome=outcome)).words


def test_a_subscription_pays_nothing_extra_and_sees_the_value() -> None:
    """S2-29"""
    money = row(Listed(answered("px_1", billing="subscription"), COST)).money

    assert money.sentence == INCLUDED == "Included in your subscription usage - no separate charge."
    assert (money.text, money.note, money.total) == ("$0.0510", "included", "$0.051006")


def test_without_a_price_the_cost_is_unknown() -> None:
    money = row(Listed(answered("px_1"), None)).money

    assert (money.text, money.total, money.tag, money.items) == ("—", "—", "Unpriced", ())


def test_a_partial_cost_is_an_estimate() -> None:
    assert row(Listed(answered("px_1"), replace(COST, partial=True))).money.tag == "Estimated"
    assert row(Listed(answered("px_1", billing="free"), COST)).money.sentence == "No charge."


def test_without_a_stream_latency_is_to_the_first_byte() -> None:
    seen = row(Listed(answered("px_1", stream=False, first_token_ms=None, usage=Usage(output_tokens=100)), None))

    assert (seen.latency, seen.latency_title) == ("666 ms", "From sending the request to the first byte")
    assert seen.throughput == "34.6 tok/s"


def test_quite_another_model_is_named_in_full() -> None:
    seen = row(Listed(answered("px_1", response_model="claude-haiku-4-5"), None))

    assert (seen.response_model, seen.response_short) == ("claude-haiku-4-5", "claude-haiku-4-5")
    assert row(Listed(answered("px_1", response_model="claude-sonnet-4-5"), None)).response_model is None
