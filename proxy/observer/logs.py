"""The logs projection: a journal row and its exchange in, log records out, always the same bytes.

`completed` once per exchange, `upstream error` per failure. Queries look for these two phrases in the body, so they
must never stand in a body by accident: free text is kept out or broken by a JSON escape that parsers undo.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter

import msgspec

from proxy.exchange import Exchange, Outcome
from proxy.ledger.costs import Cost
from proxy.ledger.journal import JournalRow
from proxy.names import fields
from proxy.observer import trace
from proxy.observer.costs import billing
from proxy.observer.failures import Failure, failures
from proxy.observer.text import MOST_BYTES, clipped
from proxy.observer.wire import LogRecord, Severity

MOST_RECORD_BYTES = 16 * 1024
_CERTAINLY_FITS = 5_000
_SHORTEST = 16

_Value = str | bool | int | float
_BROKEN = {
    fields.COMPLETED: fields.COMPLETED[:-1] + f"\\u{ord(fields.COMPLETED[-1]):04x}",
    fields.UPSTREAM_ERROR: fields.UPSTREAM_ERROR.replace(" ", "\\u0020"),
}
_FREE_TEXT = frozenset(field.name for field in fields.FIELDS if field.free_text)
_ORDER = tuple(field.name for field in fields.FIELDS)
_IN_ERRORS = frozenset(field.name for field in fields.FIELDS if field.in_errors)
_DERIVED = (fields.COST_USD, fields.BILLING, fields.ATTEMPT, fields.INSPECTOR_URL)
_READ = tuple(name for name in _ORDER if name not in _DERIVED)
_read = attrgetter(*(name if hasattr(Exchange, name) else f"usage.{name}" for name in _READ))


def records(row: JournalRow, exchange: Exchange, cost: Cost | None, pages: str | None) -> list[LogRecord]:
    """All records of one journal row, the last one being `completed`.

    `pages`: what an inspector page's address has before the request id; None if there is no inspector.
    """
    facts = _facts(exchange, cost, pages)
    found = [
        _record(row, exchange, fields.UPSTREAM_ERROR, _SEVERE, _of_failure(facts, failure), frozenset())
        for failure in failures(exchange)
    ]
    found.append(_record(row, exchange, fields.COMPLETED, _severity(exchange), facts, _FREE_TEXT))
    return found


def _facts(exchange: Exchange, cost: Cost | None, pages: str | None) -> dict[str, _Value]:
    """Every field that is known, in the order of the names."""
    values: dict[str, _Value | None] = dict(zip(_READ, _read(exchange), strict=True))
    values[fields.COST_USD] = None if cost is None else float(cost.total_usd)
    values[fields.BILLING] = billing(exchange)
    values[fields.INSPECTOR_URL] = None if pages is None else pages + exchange.request_id
    facts: dict[str, _Value] = {}
    for name in _ORDER:
        value = values.get(name)
        if isinstance(value, str):
            facts[name] = clipped(value)
        elif value is not None:
            facts[name] = round(value, 3) if isinstance(value, float) and name != fields.COST_USD else value
    return facts


def _of_failure(facts: Mapping[str, _Value], failure: Failure) -> dict[str, _Value]:
    """The facts of the exchange that hold for one attempt, and its own. No tokens: they would be counted twice."""
    told = {
        fields.ATTEMPT: failure.attempt,
        fields.UPSTREAM: failure.upstream,
        fields.CREDENTIAL: failure.credential,
        fields.STATUS: failure.status,
        fields.ERROR_TYPE: failure.error_type,
        fields.ERROR_MESSAGE: failure.error_message,
        fields.UPSTREAM_REQUEST_ID: failure.upstream_request_id,
    }
    found = ((name, told[name] if name in told else facts.get(name)) for name in _ORDER if name in _IN_ERRORS)
    return {name: clipped(value) if isinstance(value, str) else value for name, value in found if value is not None}


def _record(
    row: JournalRow,
    exchange: Exchange,
    message: str,
    severity: Severity,
    facts: Mapping[str, _Value],
    kept_out: frozenset[str],
) -> LogRecord:
    body, attributes = _fitting(message, facts, kept_out)
    # Loki tells two copies apart by the observed time, too, and would keep both.
    return LogRecord(row.commit_ns, severity, body, attributes, trace.trace_id(exchange), trace.span_id(exchange))


def _fitting(message: str, facts: Mapping[str, _Value], kept_out: frozenset[str]) -> tuple[str, dict[str, _Value]]:
    """Body and attributes within the limits: where the whole is too long, every text is cut shorter."""
    most, attributes = MOST_BYTES, dict(facts)
    while True:
        body = _body(message, {name: value for name, value in attributes.items() if name not in kept_out})
        if most < _SHORTEST or _fits(body, attributes):
            return body, attributes
        most //= 4
        attributes = {name: clipped(value, most) if isinstance(value, str) else value for name, value in facts.items()}


def _fits(body: str, attributes: Mapping[str, _Value]) -> bool:
    """Whether a record is small enough; of most the body alone tells, as what is not in it is but a few texts."""
    if len(body) < _CERTAINLY_FITS and body.isascii():
        return True
    texts = "".join([body, *attributes, *map(str, attributes.values())])
    return len(texts.encode()) <= MOST_RECORD_BYTES


def _body(message: str, facts: Mapping[str, _Value]) -> str:
    rest = msgspec.json.encode(facts).decode()
    for phrase, broken in _BROKEN.items():
        rest = rest.replace(phrase, broken)
    separator = "," if facts else ""
    return f'{{"{fields.MSG}":"{message}"{separator}{rest[1:]}'


_SEVERE = Severity.ERROR


def _severity(exchange: Exchange) -> Severity:
    if exchange.outcome is Outcome.OK:
        return Severity.INFO
    return Severity.WARN if exchange.outcome is Outcome.CLIENT_DISCONNECTED else _SEVERE
