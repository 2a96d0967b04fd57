"""The texts of a record, masked as bodies are: whoever sent them, a secret may stand in any."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache
from operator import attrgetter
from typing import Any

from proxy.exchange import Exchange
from proxy.reading.redaction.redactor import Redactor
from proxy.reading.redaction.scan import together

OWN = frozenset(
    {
        *(
            "request_id",
            "process",
            "endpoint",
            "organization",
            "key",
            "upstream",
            "server_address",
            "dialect",
        ),
        *("provider", "operation", "billing", "error_type", "request_sha256", "response_sha256", "request_capture"),
        *("response_capture", "redactions", "trace_id", "span_id", "parent_span_id"),
    }
)
"""Texts of a record that are ours or of a closed set: a rule that matches an id must not lose the record."""


def masked(exchange: Exchange, redactor: Redactor, found: Counter[str] | None = None) -> Exchange:
    """The record without secrets in any of its texts; how many each rule found is added to `found`."""
    joined = together(texts(exchange))
    if redactor.text(joined, found) == joined:
        return exchange
    attempts, windows, limits = (
        tuple(replace(part, **_clean(part, redactor)) for part in group)
        for group in (exchange.attempts, exchange.windows, exchange.limits)
    )
    usage = replace(exchange.usage, **_clean(exchange.usage, redactor))
    cleaned = {**_clean(exchange, redactor), "usage": usage, "attempts": attempts, "windows": windows, "limits": limits}
    return replace(exchange, **cleaned)


def texts(exchange: Exchange) -> list[str]:
    """All texts of a record that others may have written."""
    parts = (exchange, exchange.usage, *exchange.attempts, *exchange.windows, *exchange.limits)
    return [value for part in parts for value in _values(part) if type(value) is str]


def without_texts(exchange: Exchange) -> Exchange:
    """The record without what others wrote into it, for when that cannot be masked: its figures stay."""
    attempts = tuple(replace(each, **_unsaid(each)) for each in exchange.attempts)
    usage = replace(exchange.usage, **_unsaid(exchange.usage))
    kept: dict[str, Any] = {"method": "", "path": "", "usage": usage, "attempts": attempts, "windows": (), "limits": ()}
    return replace(exchange, **{**_unsaid(exchange), **kept})


def _unsaid(part: Any) -> dict[str, Any]:
    return dict.fromkeys(_texts(part))


def _values(part: Any) -> tuple[object, ...]:
    """All fields of a record that others may have written into, at once."""
    return _reader(part.__slots__)(part)


@cache
def _reader(names: tuple[str, ...]) -> Callable[[object], tuple[object, ...]]:
    return attrgetter(*_foreign(names))


def _foreign(names: Iterable[str]) -> list[str]:
    return [name for name in names if name not in OWN]


def _texts(part: Any) -> dict[str, str]:
    values = ((name, getattr(part, name)) for name in _foreign(part.__slots__))
    return {name: value for name, value in values if type(value) is str}


def _clean(part: Any, redactor: Redactor) -> dict[str, Any]:
    return {name: redactor.document(value) for name, value in _texts(part).items()}
