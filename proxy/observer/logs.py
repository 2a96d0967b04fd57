"""The logs projection: a journal row and its exchange in, log records out, always the same bytes.

`completed` once per exchange, `upstream error` per failure. Queries look for these two phrases in the body, so they
must never stand in a body by accident: free text is kept out or broken by a JSON escape that parsers undo.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import compress
from operator import attrgetter
from typing import NamedTuple

import msgspec

from proxy.exchange import Exchange, Outcome
from proxy.ledger.costs import Cost
from proxy.ledger.journal import JournalRow
from proxy.names import fields
from proxy.names.fields import Field
from proxy.observer import trace, wire
from proxy.observer.costs import billing
from proxy.observer.failures import Failure, failures
from proxy.observer.remembered import Remembered
from proxy.observer.text import MOST_BYTES, clipped
from proxy.observer.wire import Severity

MOST_RECORD_BYTES = 16 * 1024
_CERTAINLY_FITS = MOST_RECORD_BYTES - 1024
_SHORTEST = 16

_Value = str | bool | int | float
_Facts = Sequence[_Value | None]
"""The value of each field, in the order of the fields; None for what is not known."""
_BROKEN = {
    fields.COMPLETED.encode(): f"{fields.COMPLETED[:-1]}\\u{ord(fields.COMPLETED[-1]):04x}".encode(),
    fields.UPSTREAM_ERROR.encode(): fields.UPSTREAM_ERROR.replace(" ", "\\u0020").encode(),
}
_PLACE = {field.name: place for place, field in enumerate(fields.FIELDS)}
_DERIVED = {fields.COST_USD, fields.BILLING, fields.ATTEMPT, fields.INSPECTOR_URL}
_ANY = "request_id"
"""Stands where a derived value is put afterwards."""
_read = attrgetter(
    *(_ANY if name in _DERIVED else name if hasattr(Exchange, name) else f"usage.{name}" for name in _PLACE)
)


class _Kind(NamedTuple):
    """What all records of one message have in common."""

    beginning: bytes
    """Of the body."""
    told: tuple[bool, ...]
    """Of each field whether it is told at all."""
    names: tuple[str, ...]
    """Of those that are."""
    in_body: tuple[bool, ...]
    """Of each name whether it is in the body, too."""


def _kind(message: str, told: Callable[[Field], bool], in_body: Callable[[Field], bool]) -> _Kind:
    found = [field for field in fields.FIELDS if told(field)]
    return _Kind(
        f'{{"{fields.MSG}":"{message}"'.encode(),
        tuple(map(told, fields.FIELDS)),
        tuple(field.name for field in found),
        tuple(map(in_body, found)),
    )


_COMPLETED = _kind(fields.COMPLETED, lambda _: True, lambda field: not field.free_text)
# No tokens with errors: they would be counted twice.
_ERROR = _kind(fields.UPSTREAM_ERROR, lambda field: field.in_errors, lambda _: True)


def records(row: JournalRow, exchange: Exchange, cost: Cost | None, pages: str | None) -> list[bytes]:
    """All records of one journal row as items of a request, the last one being `completed`.

    `pages`: what an inspector page's address has before the request id; None if there is no inspector.
    """
    facts = _facts(exchange, cost, pages)
    told = [(_ERROR, Severity.ERROR, _of_failure(facts, failure)) for failure in failures(exchange)]
    told.append((_COMPLETED, _severity(exchange), facts))
    trace_id, span_id = trace.trace_id(exchange), trace.span_id(exchange)
    found = []
    for kind, severity, values in told:
        body, attributes = _fitting(kind, values)
        # Loki tells two copies apart by the observed time, too, and would keep both.
        found.append(
            wire.log_record(
                time_ns=row.commit_ns,
                severity=severity,
                body=body,
                attributes=attributes,
                trace_id=trace_id,
                span_id=span_id,
            )
        )
    return found


def _facts(exchange: Exchange, cost: Cost | None, pages: str | None) -> _Facts:
    facts: list[_Value | None] = list(_read(exchange))
    facts[_PLACE[fields.COST_USD]] = None if cost is None else float(cost.total_usd)
    facts[_PLACE[fields.BILLING]] = billing(exchange)
    facts[_PLACE[fields.ATTEMPT]] = None
    facts[_PLACE[fields.INSPECTOR_URL]] = None if pages is None else pages + exchange.request_id
    return facts


def _of_failure(facts: _Facts, failure: Failure) -> _Facts:
    """The facts of the exchange that hold for one attempt, and its own."""
    own = list(facts)
    own[_PLACE[fields.ATTEMPT]] = failure.attempt
    own[_PLACE[fields.UPSTREAM]] = failure.upstream
    own[_PLACE[fields.CREDENTIAL]] = failure.credential
    own[_PLACE[fields.STATUS]] = failure.status
    own[_PLACE[fields.ERROR_TYPE]] = failure.error_type
    own[_PLACE[fields.ERROR_MESSAGE]] = failure.error_message
    own[_PLACE[fields.UPSTREAM_REQUEST_ID]] = failure.upstream_request_id
    return own


def _fitting(kind: _Kind, facts: _Facts) -> tuple[bytes, bytes]:
    """Body and attributes within the limits: where the whole is too long, every text is cut shorter."""
    most, values = MOST_BYTES, list(compress(facts, kind.told))
    while True:
        attributes, parts = zip(*map(_WRITTEN.__getitem__, zip(kind.names, values, strict=True)), strict=True)
        body = b",".join((kind.beginning, *filter(None, compress(parts, kind.in_body)))) + b"}"
        written = b"".join(attributes)
        if most < _SHORTEST or len(body) + len(written) < _CERTAINLY_FITS or _fits(body, kind.names, values):
            return body, written
        most //= 4
        values = [clipped(value, most) if isinstance(value, str) else value for value in values]


def _fits(body: bytes, names: Sequence[str], values: _Facts) -> bool:
    """Whether a record is small enough, its attributes written as text."""
    known = [(name, _shown(name, value)) for name, value in zip(names, values, strict=True) if value is not None]
    return len(body) + sum(len(f"{name}{value}".encode()) for name, value in known) <= MOST_RECORD_BYTES


def _written(name: str, value: _Value | None) -> tuple[bytes, bytes]:
    """A field as attribute and as part of a body; nothing where it is not known."""
    if value is None:
        return b"", b""
    shown = _shown(name, value)
    part = msgspec.json.encode(shown)
    if isinstance(shown, str):
        for phrase, broken in _BROKEN.items():
            part = part.replace(phrase, broken)
    return wire.attribute(wire.LOGGED, name, shown), b'"%b":%b' % (name.encode(), part)


def _shown(name: str, value: _Value) -> _Value:
    if isinstance(value, str):
        return clipped(value)
    return round(value, 3) if isinstance(value, float) and name != fields.COST_USD else value


_WRITTEN: Remembered[tuple[str, _Value | None], tuple[bytes, bytes]] = Remembered(_written)


def _severity(exchange: Exchange) -> Severity:
    if exchange.outcome is Outcome.OK:
        return Severity.INFO
    return Severity.WARN if exchange.outcome is Outcome.CLIENT_DISCONNECTED else Severity.ERROR
