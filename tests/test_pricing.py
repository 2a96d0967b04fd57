"""Prices against vectors computed by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import product

import pytest

from proxy.exchange import Exchange, Outcome, Usage, UsageSource
from proxy.pricing import Priced, PriceTable

PRICES = PriceTable()
NOW_NS = int(datetime(2026, 11, 20, tzinfo=UTC).timestamp()) * 1_000_000_000
CACHED = Usage(
    input_tokens=4,
    output_tokens=24,
    cache_read_tokens=18_000,
    cache_creation_tokens=1_500,
    cache_creation_5m_tokens=1_200,
    cache_creation_1h_tokens=300,
)


def call(usage: Usage, model: str | None = "claude-sonnet-4-6", **changes: object) -> Exchange:
    exchange = Exchange(
        "px_1",
        "relay-1",
        NOW_NS,
        "POST",
        "/v1/messages",
        "default",
        outcome=Outcome.OK,
        provider="anthropic",
        model=model,
        usage=usage,
        usage_source=UsageSource.FINAL,
    )
    return replace(exchange, **changes)  # type: ignore[arg-type]


def price(usage: Usage, model: str | None = "claude-sonnet-4-6", **changes: object) -> Priced:
    priced = PRICES.price(call(usage, model, **changes))
    assert priced is not None
    return priced


def test_the_golden_vector() -> None:
    priced = price(Usage(input_tokens=16_527, output_tokens=95))
    assert priced.total_usd == Decimal("0.051006")
    assert [(item.fee_item, item.quantity, item.rate_usd, item.per, item.amount_usd) for item in priced.items] == [
        ("prompt", 16_527, Decimal(3), 1_000_000, Decimal("0.049581")),
        ("completion", 95, Decimal(15), 1_000_000, Decimal("0.001425")),
    ]
    assert not priced.partial


def test_cache_reads_and_both_kinds_of_writes_have_their_own_rates() -> None:
    priced = price(CACHED)
    assert priced.total_usd == Decimal("0.012072")
    assert {item.fee_item: (item.quantity, item.rate_usd) for item in priced.items} == {
        "prompt": (4, Decimal("3")),
        "input_cache_read": (18_000, Decimal("0.3")),
        "input_cache_write_5_min": (1_200, Decimal("3.75")),
        "input_cache_write_1_h": (300, Decimal("6")),
        "completion": (24, Decimal("15")),
    }


def test_the_united_states_surcharge_is_on_tokens() -> None:
    assert price(replace(CACHED, inference_geo="us")).total_usd == Decimal("0.0132792")
    assert price(replace(CACHED, inference_geo="global")).total_usd == Decimal("0.012072")


def test_the_surcharge_is_not_on_web_searches() -> None:
    priced = price(replace(CACHED, inference_geo="us", web_search_requests=1))
    assert priced.total_usd == Decimal("0.0232792")
    assert (priced.items[-1].fee_item, priced.items[-1].per, priced.items[-1].amount_usd) == (
        "web_search",
        1_000,
        Decimal("0.01"),
    )


def test_a_web_search_is_a_cent() -> None:
    assert price(replace(CACHED, web_search_requests=1)).total_usd == Decimal("0.022072")


@pytest.mark.parametrize(("read", "write_5m", "write_1h"), list(product((None, 0, 1_000), repeat=3)))
def test_no_token_is_in_two_fee_items(read: int | None, write_5m: int | None, write_1h: int | None) -> None:
    """F-12 … F-15."""
    written = (write_5m or 0) + (write_1h or 0)
    usage = Usage(10, 20, read, written, write_5m, write_1h)
    by_hand = Decimal(10 * 3 + 20 * 15) + Decimal("0.3") * (read or 0)
    by_hand += Decimal("3.75") * (write_5m or 0) + 6 * (write_1h or 0)
    assert price(usage).total_usd == by_hand / 1_000_000


def test_cache_writes_without_their_lifetime_are_five_minute_writes() -> None:
    priced = price(Usage(0, 0, None, 1_000))
    assert [(item.fee_item, item.amount_usd) for item in priced.items] == [("input_cache_write", Decimal("0.00375"))]


def test_batches_cost_half() -> None:
    tiered = price(Usage(1_000_000 // 10, 1_000, service_tier="batch")).total_usd
    assert tiered == Decimal("0.15") + Decimal("0.0075")
    before_the_table_says_so = price(Usage(100_000, 1_000, service_tier="batch"), "claude-opus-4-0").total_usd
    assert before_the_table_says_so == Decimal("0.75") + Decimal("0.0375")


def test_fast_mode_costs_double_where_it_exists() -> None:
    assert price(Usage(100_000, 0, speed="fast"), "claude-opus-4-8").total_usd == Decimal("1")
    assert price(Usage(100_000, 0, speed="fast"), "claude-sonnet-4-6").total_usd == Decimal("0.3")


def test_a_long_prompt_moves_all_tokens_into_the_higher_tier() -> None:
    at_the_limit = Usage(50_000, 1_000, 50_000)
    assert price(at_the_limit, "claude-haiku-5-5").total_usd == Decimal("0.006")
    above = Usage(50_001, 1_000, 50_000)
    assert price(above, "claude-haiku-5-5").total_usd == Decimal("0.0300005")


def test_the_price_is_that_of_the_day() -> None:
    """The long-context tier of this model ended on 13 March 2026."""
    usage = Usage(300_000, 0)
    earlier = int(datetime(2026, 3, 12, 23, 59, tzinfo=UTC).timestamp()) * 1_000_000_000
    assert price(usage, "claude-opus-4-6", started_ns=earlier).total_usd == Decimal("3")
    assert price(usage, "claude-opus-4-6").total_usd == Decimal("1.5")


def test_the_model_that_answered_decides() -> None:
    usage = Usage(1_000_000, 0)
    assert price(usage, "claude-opus-4-6", response_model="claude-haiku-4-5").total_usd == Decimal("1")
    assert PRICES.price(call(usage, "claude-opus-4-6", response_model="made-up")) is None


@pytest.mark.parametrize(
    "model",
    [
        "claude-mythos-preview",
        "us.anthropic.claude-sonnet-4-6",
        "anthropic/claude-sonnet-4-6",
        "no such model",
        "x" * 10_000,
        None,
    ],
)
def test_an_unknown_model_has_no_price(model: str | None) -> None:
    assert PRICES.price(call(Usage(100, 100), model)) is None


@pytest.mark.parametrize("provider", [None, "no such provider"])
def test_an_unknown_provider_has_no_price(provider: str | None) -> None:
    assert PRICES.price(call(Usage(100, 100), provider=provider)) is None


@pytest.mark.parametrize(
    ("usage", "source"),
    [
        (Usage(), UsageSource.FINAL),
        (Usage(), UsageSource.NONE),
        (Usage(1, 1), UsageSource.ESTIMATED),
        (Usage(1, 1), UsageSource.NONE),
    ],
)
def test_unknown_usage_has_no_price(usage: Usage, source: UsageSource) -> None:
    assert PRICES.price(call(usage, usage_source=source)) is None


def test_reported_zeros_cost_nothing_which_is_known() -> None:
    assert price(Usage(0, 0)).total_usd == 0


def test_the_last_values_of_a_broken_stream_are_priced_and_marked() -> None:
    """F-3."""
    priced = price(Usage(1_000, 1), usage_source=UsageSource.PARTIAL)
    assert priced.partial
    assert priced.total_usd == Decimal("0.003015")
    assert price(Usage(1_000, None)).partial


@pytest.mark.parametrize(
    "name",
    [
        "claude-sonnet-4-6",
        "claude-sonnet-4-6@20260217",
        "claude-opus-4-6[1m]",
        "claude-sonnet-4-5-20250929",
        "claude-sonnet-4-20250514",
        "claude-3-5-sonnet-latest",
        "Claude-Sonnet-4-6",
        "gpt-4o-2024-08-06",
    ],
)
def test_a_name_is_known_literally_or_with_a_date_or_suffix(name: str) -> None:
    assert PRICES.knows(name)


@pytest.mark.parametrize(
    "name",
    ["claude", "claude-sonnet-4-6-made-up", "claude-mythos-preview", "anthropic/claude-opus-4-6", "", "claude-v"],
)
def test_a_beginning_is_no_name(name: str) -> None:
    assert not PRICES.knows(name)


def test_the_version_names_package_and_table() -> None:
    name, _, digest = PRICES.version.partition("+")
    assert name == "genai-prices 0.2.3"
    assert len(digest) == 8
    assert PriceTable().version == PRICES.version


def test_invented_models_do_not_fill_the_memory() -> None:
    table = PriceTable()
    for number in range(1_200):
        assert table.price(call(Usage(1, 1), f"invented-{number}")) is None
    assert len(table._models) <= 1_000


def openai(usage: Usage, model: str = "gpt-5", **changes: object) -> Priced | None:
    return PRICES.price(call(usage, model, **{"provider": "openai", "operation": "chat", **changes}))


def test_cached_input_of_openai_has_its_own_rate() -> None:
    priced = openai(Usage(input_tokens=100_000, output_tokens=1_000, cache_read_tokens=900_000, reasoning_tokens=900))
    assert priced is not None
    assert [(item.fee_item, item.quantity, item.amount_usd) for item in priced.items] == [
        ("prompt", 100_000, Decimal("0.125")),
        ("input_cache_read", 900_000, Decimal("0.1125")),
        ("completion", 1_000, Decimal("0.01")),
    ]
    assert not priced.partial


@pytest.mark.parametrize(
    ("tier", "usd"),
    [(None, "1.25"), ("default", "1.25"), ("auto", "1.25"), ("flex", "0.625"), ("priority", "2.5"), ("scale", None)],
)
def test_service_tier_decides_and_one_that_the_table_lacks_has_no_price(tier: str | None, usd: str | None) -> None:
    priced = openai(Usage(input_tokens=1_000_000, output_tokens=0, service_tier=tier))
    assert (priced and priced.total_usd) == (usd and Decimal(usd))


def test_tier_has_no_price_before_the_table_has_one() -> None:
    earlier = int(datetime(2026, 10, 11, tzinfo=UTC).timestamp()) * 1_000_000_000
    assert openai(Usage(1_000, 1_000, service_tier="flex"), started_ns=earlier) is None


def test_embeddings_have_no_output_and_are_wholly_priced() -> None:
    priced = openai(Usage(input_tokens=1_000_000), "text-embedding-3-small", operation="embeddings")
    assert priced is not None
    assert (priced.total_usd, priced.partial) == (Decimal("0.02"), False)


@pytest.mark.parametrize(
    ("model", "raw", "usd"),
    [
        ("gpt-image-1", '{"input_tokens_details":{"text_tokens":1000000,"image_tokens":0}}', "45"),
        ("gpt-image-1", '{"input_tokens_details":{"text_tokens":0,"image_tokens":1000000}}', None),
        ("gpt-image-1.5", "{}", None),
        ("gpt-5", '{"prompt_tokens_details":{"audio_tokens":5}}', "11.25"),
        ("gpt-5", "not json", "11.25"),
    ],
)
def test_images_at_rates_of_their_own_have_no_price(model: str, raw: str, usd: str | None) -> None:
    """The record counts all input as one, so that its price would be a guess."""
    operation = "images" if "image" in model else "chat"
    priced = openai(Usage(1_000_000, 1_000_000, usage_raw=raw), model, operation=operation)
    assert (priced and priced.total_usd) == (usd and Decimal(usd))


def test_tokens_of_hosted_tools_make_a_price_partial() -> None:
    raw = '{"input_tokens":1,"tool_usage":{"image_gen":{"total_tokens":10},"web_search":{"num_requests":1}}}'
    priced = openai(Usage(1_000, 1_000, web_search_requests=1, usage_raw=raw), operation="responses")
    assert priced is not None
    assert priced.partial
    assert priced.items[-1].amount_usd == Decimal("0.01")
