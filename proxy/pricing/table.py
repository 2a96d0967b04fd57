"""What a call costs: its token counts times the list prices of genai-prices, as exact line items.

Two rules of the API come on top (the United States surcharge and the batch discount); nothing is guessed, an unknown
model or an unknown usage has no price. The price table is code in the installed package, so no network is involved.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from genai_prices import data
from genai_prices.data_snapshot import DataSnapshot, find_provider_by_id
from genai_prices.types import (
    ModelInfo,
    ModelPrice,
    TieredPrices,
    TimeOfDateConstraint,
)

from proxy.exchange import Exchange, Usage, UsageSource
from proxy.pricing.details import APART, hosted_tokens, priced_apart
from proxy.pricing.names import bare, literal_names, spellings

_PER_MILLION = Decimal(1_000_000)
_PER_THOUSAND = Decimal(1_000)
_US_SURCHARGE = Decimal("1.1")
_BATCH_DISCOUNT = Decimal("0.5")
_DAY_NS = 86_400_000_000_000
_MOST_CACHED = 1_000
_LONGEST_NAME = 200

PROMPT = "prompt"
COMPLETION = "completion"
CACHE_READ = "input_cache_read"
CACHE_WRITE = "input_cache_write"
CACHE_WRITE_5M = "input_cache_write_5_min"
CACHE_WRITE_1H = "input_cache_write_1_h"
WEB_SEARCH = "web_search"

# A price that the table does not state separately is that of the next wider item.
_PRICE_KEYS = {
    PROMPT: ("input_mtok",),
    COMPLETION: ("output_mtok",),
    CACHE_READ: ("cache_read_mtok", "input_mtok"),
    CACHE_WRITE: ("cache_write_mtok", "input_mtok"),
    CACHE_WRITE_5M: ("cache_write_5m_mtok", "cache_write_mtok", "input_mtok"),
    CACHE_WRITE_1H: ("cache_write_1h_mtok", "cache_write_mtok", "input_mtok"),
    WEB_SEARCH: ("web_searches_kcount",),
}
# Values of `gen_ai.provider.name` that the price table spells otherwise.
_PROVIDERS = {
    "aws.bedrock": "aws",
    "azure.ai.openai": "azure",
    "gcp.gemini": "google",
    "gcp.vertex_ai": "google",
    "mistral_ai": "mistral",
    "moonshot_ai": "moonshotai",
    "x_ai": "x-ai",
}
_LIST_PRICE_TIERS = frozenset({"auto", "default", "on_demand", "standard"})
"""Service tiers that cost what the table says without one."""
_WITHOUT_OUTPUT = frozenset({"embeddings"})
_Context = tuple[tuple[str, str], ...]
_Rates = dict[str, Decimal | TieredPrices | None]


class PricedItem(NamedTuple):
    """One fee: how much of what, at which rate."""

    fee_item: str
    quantity: int
    rate_usd: Decimal
    """Per `per` units."""
    per: int
    amount_usd: Decimal


@dataclass(frozen=True, slots=True)
class Priced:
    """The price of one call."""

    price_version: str
    total_usd: Decimal
    items: tuple[PricedItem, ...]
    partial: bool
    """The counts are the last ones a broken stream reported, or a part of them has no price."""


class PriceTable:
    """List prices by provider, model, date and context. Not thread-safe: one per thread."""

    def __init__(self) -> None:
        self._table = DataSnapshot(providers=data.providers, from_auto_update=False)
        self._names = frozenset(literal_names(self._table.providers))
        self._models: dict[tuple[str, str], ModelInfo | None] = {}
        self._cached: dict[tuple[str, str, _Context, int], _Rates | None] = {}
        digest = hashlib.sha256(Path(data.__file__).read_bytes()).hexdigest()
        self.version = f"genai-prices {version('genai-prices')}+{digest[:8]}"
        """Names package and table: equal versions give equal prices."""

    def knows(self, name: str) -> bool:
        """Whether the table has this model: literally, or followed by a date, `-latest` or a suffix like `[1m]`."""
        return any(spelled in self._names for spelled in spellings(name))

    def price(self, exchange: Exchange) -> Priced | None:
        """The price of a call by the model that answered, else by the one asked for.

        None when the model is not in the table or no usage was reported, and where the table does not have the price:
        a service tier it does not know, images or audio at rates of their own.
        """
        usage = exchange.usage
        if not usage.known or exchange.usage_source not in (UsageSource.FINAL, UsageSource.PARTIAL):
            return None
        name, provider = exchange.response_model or exchange.model, exchange.provider or exchange.dialect
        if name is None or provider is None or len(name) > _LONGEST_NAME:
            return None
        model = self._model(provider, name)
        if model is None:
            return None
        context = _context(provider, usage)
        rates = self._rates(provider, name, model, context, exchange.started_ns)
        apart = () if rates is None else [key for key in APART if rates[key] is not None]
        if rates is None or (apart and not priced_apart(exchange).isdisjoint(apart)):
            return None
        factor = _US_SURCHARGE if usage.inference_geo == "us" else Decimal(1)
        if ("processing", "batch") in context and not _has_variant(model, "batch"):
            factor *= _BATCH_DISCOUNT
        outputs = exchange.operation not in _WITHOUT_OUTPUT
        missing = usage.input_tokens is None or (usage.output_tokens is None and outputs)
        partial = exchange.usage_source is UsageSource.PARTIAL or missing or hosted_tokens(usage)
        return self._priced(rates, usage, factor, partial)

    def _priced(self, rates: _Rates, usage: Usage, tokens_factor: Decimal, partial: bool) -> Priced | None:
        items = []
        for fee_item, quantity in _quantities(usage):
            rate = _rate(rates[fee_item], usage.input_tokens_total or 0)
            if rate is None and fee_item == WEB_SEARCH:
                partial = True
            elif rate is None:
                return None
            elif fee_item == WEB_SEARCH:
                items.append(PricedItem(fee_item, quantity, rate, 1_000, rate * quantity / _PER_THOUSAND))
            else:
                rate *= tokens_factor
                items.append(PricedItem(fee_item, quantity, rate, 1_000_000, rate * quantity / _PER_MILLION))
        total = sum((item.amount_usd for item in items), Decimal(0))
        return Priced(self.version, total, tuple(items), partial)

    def _model(self, provider_name: str, name: str) -> ModelInfo | None:
        """The table's entry, remembered: finding one costs a quarter of a millisecond."""
        key = (provider_name, name)
        if key not in self._models:
            if len(self._models) >= _MOST_CACHED:
                self._models.clear()
            self._models[key] = self._found(provider_name, name)
        return self._models[key]

    def _found(self, provider_name: str, name: str) -> ModelInfo | None:
        # The snapshot's own look-up remembers every name it ever saw, clients' inventions included.
        provider = find_provider_by_id(self._table.providers, _PROVIDERS.get(provider_name, provider_name))
        if provider is None:
            return None
        for candidate in (name, bare(name)):
            model = provider.find_model(candidate, all_providers=self._table.providers)
            if model is not None:
                return model
        return None

    def _rates(self, provider: str, name: str, model: ModelInfo, context: _Context, at_ns: int) -> _Rates | None:
        """Rates of that moment, remembered per day unless they change within it; None for a tier without a price."""
        key = (provider, name, context, at_ns // _DAY_NS)
        if key in self._cached:
            return self._cached[key]
        moment = datetime.fromtimestamp(at_ns // 1_000_000_000, UTC)
        known = _has_tier(model, dict(context).get("service_tier"), moment)
        rates = _rates(model.get_prices(moment, dict(context))) if known else None
        if not _changes_within_a_day(model):
            if len(self._cached) >= _MOST_CACHED:
                self._cached.clear()
            self._cached[key] = rates
        return rates


def _rates(prices: ModelPrice) -> _Rates:
    stated: dict[str, Decimal | TieredPrices | None] = vars(prices)
    rates = {
        fee_item: next((stated[key] for key in keys if stated.get(key) is not None), None)
        for fee_item, keys in _PRICE_KEYS.items()
    }
    return rates | {key: stated.get(key) for key in APART}


def _rate(price: Decimal | TieredPrices | None, input_tokens: int) -> Decimal | None:
    """A long prompt moves all tokens of the call into the higher tier."""
    if not isinstance(price, TieredPrices):
        return price
    return next((tier.price for tier in reversed(price.tiers) if input_tokens > tier.start), price.base)


def _quantities(usage: Usage) -> Iterator[tuple[str, int]]:
    """Fee items that occur, disjoint: no token is in two of them."""
    written_5m, written_1h = usage.cache_creation_5m_tokens or 0, usage.cache_creation_1h_tokens or 0
    unsplit = max(0, (usage.cache_creation_tokens or 0) - written_5m - written_1h)
    counts = (
        (PROMPT, usage.input_tokens),
        (CACHE_READ, usage.cache_read_tokens),
        (CACHE_WRITE_5M, written_5m),
        (CACHE_WRITE_1H, written_1h),
        (CACHE_WRITE, unsplit),
        (COMPLETION, usage.output_tokens),
        (WEB_SEARCH, usage.web_search_requests),
    )
    return ((fee_item, count) for fee_item, count in counts if count is not None and count > 0)


def _context(provider: str, usage: Usage) -> _Context:
    """What besides the model decides the price, in the words of the table."""
    context = []
    if usage.service_tier == "batch":
        context.append(("processing", "batch"))
    elif usage.service_tier is not None and provider != "anthropic":
        context.append(("service_tier", usage.service_tier))
    if usage.speed == "fast":
        context.append(("speed", "fast"))
    return tuple(context)


def _has_tier(model: ModelInfo, tier: str | None, moment: datetime) -> bool:
    """Whether the table has a price for a service tier at that moment."""
    if tier is None or tier in _LIST_PRICE_TIERS:
        return True
    return any(
        variant.when.get("service_tier") == tier and (variant.constraint is None or variant.constraint.active(moment))
        for variant in model.price_variants or ()
    )


def _has_variant(model: ModelInfo, value: str) -> bool:
    return any(value in variant.when.values() for variant in model.price_variants or ())


def _changes_within_a_day(model: ModelInfo) -> bool:
    conditions = [*(model.prices if isinstance(model.prices, list) else ()), *(model.price_variants or ())]
    return any(isinstance(condition.constraint, TimeOfDateConstraint) for condition in conditions)
