from __future__ import annotations

from decimal import Decimal

from proxy.exchange import Outcome, Usage, UsageSource
from proxy.inspector import summary
from proxy.inspector.summary import BAR, Card, LineRow
from proxy.ledger.costs import Cost, LineItem
from tests.inspector.filling import accepted, answered, failed


def test_cards_show_tokens_cost_and_times() -> None:
    """S0-14 … S0-18"""
    cost = Cost("prices 1", Decimal("0.051006"))

    assert summary.cards(answered("px_1"), cost) == (
        Card("Input tokens", "25", "prompt, uncached"),
        Card("Output tokens", "65", "reasoning 41"),
        Card("Cache created", "1,000", "5 min 700 · 1 h 300"),
        Card("Cache read", "16,000", "of 17,025 input"),
        Card("Total cost", "$0.0510", "list price"),
        Card("Latency", "881 ms", "to the first token"),
        Card("Duration", "2.89 s", "32.8 tok/s output"),
    )


def test_unknown_cards_are_dashes() -> None:
    assert {card.value for card in summary.cards(accepted("px_1"), None)} == {"—"}
    assert (
        summary.cards(answered("px_1", billing="subscription"), Cost("p", Decimal(1)))[4].hint == "list value, included"
    )
    assert summary.cards(failed("px_1"), None)[4].hint == "no tokens reported"


def test_a_known_zero_is_zero() -> None:
    seen = summary.cards(answered("px_1", usage=Usage(input_tokens=1, output_tokens=0, cache_read_tokens=0)), None)

    assert [card.value for card in seen[:4]] == ["1", "0", "—", "0"]


def test_broken_answers_say_how_their_tokens_are_known() -> None:
    partial = answered("px_1", usage_source=UsageSource.PARTIAL)
    guessed = answered("px_1", usage_source=UsageSource.ESTIMATED, output_tokens_estimated=1234)

    assert summary.cards(partial, None)[1].hint == "broken off; the last value reported"
    assert summary.cards(guessed, None)[1].hint == "broken off; about 1,234 by estimate"


def test_line_items_show_rate_and_amount() -> None:
    items = (
        LineItem("prompt", 16_527, Decimal("0.049581"), rate_usd_per_million=Decimal(3)),
        LineItem("web_search", 2, Decimal("0.02"), rate_usd_per_unit=Decimal("0.01")),
    )

    assert summary.line_rows(Cost("prices 1", Decimal("0.069581"), items)) == (
        LineRow("prompt", "16,527", "$3.00 / M", "$0.049581"),
        LineRow("web_search", "2", "$0.01 each", "$0.02"),
    )
    assert summary.line_rows(None) == ()


def test_the_time_line_is_consecutive_and_fills_the_bar() -> None:
    phases = summary.timings(answered("px_1")).phases

    assert [phase.name for phase in phases] == [
        "Receiving the request", "Proxy and connection", "Waiting for headers", "Waiting for the first token",
        "Generating", "Finishing",
    ]  # fmt: skip
    assert [phase.duration for phase in phases] == ["1.20 ms", "23 ms", "665 ms", "216 ms", "1.98 s", "1.20 ms"]
    assert all(0 <= phase.start < BAR and phase.start + phase.width <= BAR + 2 for phase in phases)


def test_an_answer_without_a_first_token_is_received_not_generated() -> None:
    phases = summary.timings(answered("px_1", first_token_ms=None)).phases

    assert [phase.name for phase in phases][3:5] == ["Waiting for the first byte", "Receiving the answer"]


def test_moments_out_of_order_take_no_time() -> None:
    """The upstream may answer before the request has been sent."""
    phases = summary.timings(answered("px_1", headers_ms=10.0)).phases

    assert [phase.duration for phase in phases if phase.name == "Waiting for headers"] == ["0.00 ms"]


def test_figures_are_those_of_the_record() -> None:
    """S2-57 … S2-59"""
    assert dict(summary.timings(answered("px_1")).figures) == {
        "First token latency": "881 ms", "Generation time": "1.98 s", "Throughput": "32.8 tok/s",
        "Upstream round trip": "2.89 s", "Connecting": "22 ms", "Time in the proxy": "1.40 ms", "Duration": "2.89 s",
    }  # fmt: skip
    whole = dict(summary.timings(answered("px_1", stream=False, first_token_ms=None)).figures)
    assert (whole["First byte latency"], whole["Generation time"]) == ("666 ms", "—")
    assert whole["Throughput, of the whole duration"] == "22.5 tok/s"
    assert summary.timings(accepted("px_1")).phases == ()


def test_facts_hold_only_what_is_known() -> None:
    names = [name for name, _ in summary.facts(accepted("px_1"))]

    assert "Model asked for" in names
    assert "Session" not in names
    assert dict(summary.facts(answered("px_1")))["Model that answered"] == "claude-sonnet-4-5-20250929"


def test_attempts_and_limits_are_told() -> None:
    exchange = answered("px_1", outcome=Outcome.OK)

    assert summary.attempts(exchange) == (
        ("1", "api.anthropic.com:443", "200", "1.40 ms", "22 ms", "690 ms", "2.89 s", "—"),
    )
    assert summary.limits(exchange) == (
        ("window 5h", "37 %", "allowed", "2026-11-21 15:51:31 UTC"),
        ("window 7d", "42.5 %", "allowed", "2026-11-25 12:51:31 UTC"),
        ("input tokens", "1,999,000 of 2,000,000 left", "—", "2026-11-21 12:51:40 UTC"),
    )
