"""The costs projection: what an exchange cost, as the ledger keeps it, and how it is paid."""

from __future__ import annotations

from proxy.exchange import Exchange
from proxy.ledger.costs import Cost, LineItem
from proxy.pricing import Priced, PricedItem, PriceTable

_MILLION = 1_000_000
PAY_AS_YOU_GO = "pay_as_you_go"
SUBSCRIPTION = "subscription"


def cost_of(exchange: Exchange, prices: PriceTable) -> Cost | None:
    """Line items and total; None when model or usage are unknown."""
    priced = prices.price(exchange)
    return None if priced is None else _kept(priced)


def billing(exchange: Exchange) -> str:
    """As set for the endpoint; else subscription when the response told of its windows, else by use."""
    return exchange.billing or (SUBSCRIPTION if exchange.windows else PAY_AS_YOU_GO)


def _kept(priced: Priced) -> Cost:
    return Cost(priced.price_version, priced.total_usd, tuple(_item(item) for item in priced.items), priced.partial)


def _item(item: PricedItem) -> LineItem:
    if item.per == _MILLION:
        return LineItem(item.fee_item, item.quantity, item.amount_usd, rate_usd_per_million=item.rate_usd)
    return LineItem(item.fee_item, item.quantity, item.amount_usd, rate_usd_per_unit=item.rate_usd / item.per)
