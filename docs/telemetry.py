"""The tables of metrics, log fields and span attributes, read off `proxy.names`."""

from __future__ import annotations

from collections.abc import Iterable

from docs.regions import code, table
from proxy.names import attributes, fields
from proxy.names.attributes import Attribute
from proxy.names.metrics import INSTRUMENTS, Channel, Instrument, Kind
from proxy.observer.cardinality import most_of_all, most_prometheus_series
from proxy.observer.exposition import prometheus_name
from proxy.settings.shape import MOST_SERIES

_ENDPOINTS = (1, 10)
_HEAD = ("Instrument", "In Prometheus", "Kind", "Unit", "Attributes", "Meaning")


def metrics() -> str:
    """What is sent by OTLP and shown on /metrics."""
    return _instruments(Channel.OTLP)


def health_metrics() -> str:
    """What is shown on /metrics only."""
    return _instruments(Channel.HEALTH)


def buckets() -> str:
    """The bounds of every histogram."""
    histograms = (one for one in INSTRUMENTS if one.kind is Kind.HISTOGRAM)
    rows = ((code(one.name), one.unit, ", ".join(f"{bound:,}" for bound in one.buckets)) for one in histograms)
    return table(("Histogram", "Unit", "Upper bounds"), rows)


def log_fields() -> str:
    """Every field of a log record."""
    rows = ((code(field.name), field.description, *_records(field)) for field in fields.FIELDS)
    return table(("Field", "Meaning", "`completed`", "`upstream error`"), rows)


def most_series() -> str:
    """What Prometheus can hold at most with one endpoint and with ten."""
    sent = [one for one in INSTRUMENTS if one.channel is Channel.OTLP]
    rows = [(code(one.name), *(f"{most_prometheus_series(one, n, MOST_SERIES):,}" for n in _ENDPOINTS)) for one in sent]
    whole = ("all, health included", *(f"{most_of_all(n, MOST_SERIES):,}" for n in _ENDPOINTS))
    return table(("Instrument", *(f"{n} endpoint{'s' * (n > 1)}" for n in _ENDPOINTS)), [*rows, whole])


def resource_attributes() -> str:
    """What says which proxy sent something."""
    return _attributes(attributes.RESOURCE)


def span_attributes() -> str:
    """Every attribute a span may have."""
    return _attributes(attributes.SPAN)


def _instruments(channel: Channel) -> str:
    return table(_HEAD, map(_instrument, (one for one in INSTRUMENTS if one.channel is channel)))


def _instrument(one: Instrument) -> tuple[str, ...]:
    shown = prometheus_name(one) + ("_bucket" if one.kind is Kind.HISTOGRAM else "")
    labels = ", ".join(map(code, one.attributes))
    return code(one.name), code(shown), one.kind.value, code(one.unit), labels, one.description


def _records(field: fields.Field) -> tuple[str, str]:
    if field.name == fields.ATTEMPT:
        return "", "yes"
    return "attribute only" if field.free_text else "yes", "yes" if field.in_errors else ""


def _attributes(listed: Iterable[Attribute]) -> str:
    rows = ((code(one.name), one.description, f"[conventions]({one.link})" if one.link else "") for one in listed)
    return table(("Attribute", "Meaning", "Decided by"), rows)
