"""What a query is to a panel: expression, unit and legend; and the filters that all queries share."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Source(StrEnum):
    """Data source variables; each defaults to the data source of the same uid."""

    PROMETHEUS = "prometheus"
    LOKI = "loki"
    TEMPO = "tempo"


@dataclass(frozen=True, slots=True)
class Signal:
    """One named query. It holds for an instant and for a range; the panel decides which it asks for."""

    expr: str
    unit: str
    """A unit of Grafana: https://github.com/grafana/grafana/blob/main/packages/grafana-data/src/valueFormats"""
    legend: str = ""
    """May hold labels: `{{model}}`. In a table it names the column."""
    source: Source = Source.PROMETHEUS
    exemplars: bool = False
    """Show the traces behind a histogram."""


SELECTED_ENDPOINTS = r'endpoint=~"$endpoint",endpoint!~"\\b$elsewhere\\b"'
"""Metrics know their endpoint but not its organisation, so endpoints of other organisations are taken out.

Without any, `$elsewhere` is `()`: the word boundaries keep it from matching a series that has no endpoint.
"""
SELECTED_MODELS = 'model=~"$model"'
SELECTED = f"{SELECTED_ENDPOINTS},{SELECTED_MODELS}"

SERVICE = '{service_name="anthropic-proxy"}'
SELECTED_FIELDS = '| organization=~"$organization" | endpoint=~"$endpoint" | model=~"$model" | key=~"$key"'
COMPLETED = f'{SERVICE} |= "completed" {SELECTED_FIELDS}'
"""One log line per request that ended."""
UPSTREAM_ERROR = f'{SERVICE} |= "upstream error" {SELECTED_FIELDS}'
"""One log line per failed attempt or error inside a stream."""


def rate(counter: str, where: str = SELECTED_ENDPOINTS, over: str = "$__rate_interval") -> str:
    """A counter's series per second."""
    return f"rate({counter}{{{where}}}[{over}])"


def increase(counter: str, where: str = SELECTED_ENDPOINTS) -> str:
    """By how much a counter's series grew in the time range shown."""
    return f"increase({counter}{{{where}}}[$__range])"


def zero_without(expr: str, known: str) -> str:
    """What is absent until it first happens: 0 then, but only where `known` is there; else nothing is known of it."""
    return f"{expr} or {known} * 0"


def quantile(share: float, histogram: str, where: str = SELECTED_ENDPOINTS, by: str = "") -> str:
    """The value below which `share` (0..1) of a histogram lies, for each value of the labels `by`."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, sum by ({labels}) ({rate(f'{histogram}_bucket', where)}))"


def quantile_of_all(share: float, histogram: str, where: str = SELECTED_ENDPOINTS) -> str:
    """The same of all that the time range holds; absent, not NaN, when it holds nothing."""
    return f"histogram_quantile({share}, sum by (le) ({rate(f'{histogram}_bucket', where, '$__range')})) >= 0"


def ratio(part: str, whole: str) -> str:
    """0..1, absent while there is nothing to divide by; 0 where only the part is absent."""
    return f"({part} or {whole} * 0) / ({whole} > 0)"


def share_name(share: float) -> str:
    """The name of a quantile."""
    return f"p{share * 100:.0f}"
