"""Prices as the ledger keeps them."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from proxy.exchange import Usage
from proxy.ledger.costs import Cost, LineItem
from proxy.observer.costs import billing, cost_of
from proxy.pricing import PriceTable
from tests.observer.samples import WINDOWS, exchange

PRICES = PriceTable()


def test_line_items_keep_their_rates_per_million_or_per_unit() -> None:
    usage = Usage(input_tokens=16_527, output_tokens=95, web_search_requests=2)
    assert cost_of(replace(exchange(), usage=usage), PRICES) == Cost(
        PRICES.version,
        Decimal("0.071006"),
        (
            LineItem("prompt", 16_527, Decimal("0.049581"), rate_usd_per_million=Decimal("3")),
            LineItem("completion", 95, Decimal("0.001425"), rate_usd_per_million=Decimal("15")),
            LineItem("web_search", 2, Decimal("0.02"), rate_usd_per_unit=Decimal("0.01")),
        ),
        partial=False,
    )


def test_without_a_price_there_is_no_cost() -> None:
    assert cost_of(replace(exchange(), model="made-up", response_model=None), PRICES) is None


def test_billing_is_as_set_else_what_the_response_shows() -> None:
    assert billing(replace(exchange(), billing="free", windows=WINDOWS)) == "free"
    assert billing(replace(exchange(), windows=WINDOWS)) == "subscription"
    assert billing(exchange()) == "pay_as_you_go"
