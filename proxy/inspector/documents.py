"""One request as JSON: the field names of the log, with `time`, `cost_items`, `timings` and `attempts` beside them."""

from __future__ import annotations

from dataclasses import fields

import msgspec

from proxy.exchange import Attempt, Exchange, LimitReading, Usage, WindowReading
from proxy.inspector import formats
from proxy.inspector.stream import StreamEvent
from proxy.ledger.queries import Listed

TIMINGS = (
    "received_ms", "sent_ms", "connect_ms", "headers_ms", "first_byte_ms", "first_sent_ms", "first_token_ms",
    "last_byte_ms", "duration_ms", "ttft_ms", "latency_ms", "generation_ms", "upstream_ms",
    "overhead_ms",
)  # fmt: skip
"""Milliseconds since the request was accepted, and durations derived from them."""

JSON_FIELDS = frozenset({"parameters", "customer_data", "usage_raw", "redactions"})
"""Stored as JSON text, given as JSON."""

_ELSEWHERE = {"process", "started_ns", "usage", "attempts", "windows", "limits", *TIMINGS}
_DERIVED = ("finish_reason_normalized", "attempt_count", "resets_at", "duration_ms", "ttft_ms", "output_rate")

PLAIN_FIELDS = (
    *(field.name for field in fields(Exchange) if field.name not in _ELSEWHERE),
    *(field.name for field in fields(Usage)),
    "input_tokens_total",
    *_DERIVED,
)
"""Every field whose value is not a list or object, in the order of the record."""

_ENCODER = msgspec.json.Encoder(decimal_format="number")


def document(listed: Listed) -> dict[str, object]:
    """All that is known of one request but its bodies; null is "not known"."""
    exchange, cost = listed.exchange, listed.cost
    return {
        "request_id": exchange.request_id,
        "time": formats.rfc3339(exchange.started_ns),
        **{name: _value(exchange, name) for name in PLAIN_FIELDS if name != "request_id"},
        "cost_usd": None if cost is None else cost.total_usd,
        "cost_partial": None if cost is None else cost.partial,
        "price_version": None if cost is None else cost.price_version,
        "cost_items": [
            {field.name: getattr(item, field.name) for field in fields(item)} for item in (cost.items if cost else ())
        ],
        "timings": {name: _rounded(getattr(exchange, name)) for name in TIMINGS},
        "attempts": [_record(attempt) for attempt in exchange.attempts],
        "windows": [_record(reading) for reading in exchange.windows],
        "limits": [_record(reading) for reading in exchange.limits],
    }


EVENT_FIELDS = {
    "index": "Its place in the stream, from 0.",
    "ms": "When it had arrived, in milliseconds since the request was accepted.",
    "name": "Its type, `message` where the stream names none.",
    "bytes": "Size of its data.",
    "data": "Its data as text; with `data=true`.",
}


def event_document(index: int, event: StreamEvent, *, data: bool) -> dict[str, object]:
    """One event of a stream."""
    known: dict[str, object] = {
        "index": index,
        "ms": _rounded(event.ms),
        "name": event.name,
        "bytes": len(event.data),
    }
    return {**known, "data": event.data.decode("utf-8", "replace")} if data else known


def encoded(value: object, *, indent: bool = False) -> bytes:
    """A document as JSON text; decimals are numbers with all their digits."""
    text = _ENCODER.encode(value)
    return msgspec.json.format(text, indent=2) if indent else text


def _value(exchange: Exchange, name: str) -> object:
    owner = exchange if hasattr(exchange, name) else exchange.usage
    value: object = getattr(owner, name)
    return _json(value) if name in JSON_FIELDS else _rounded(value)


def _record(record: Attempt | WindowReading | LimitReading) -> dict[str, object]:
    values = {field.name: _rounded(getattr(record, field.name)) for field in fields(record)}
    if "ratelimit" in values:
        values["ratelimit"] = _json(values["ratelimit"])
    return values


def _json(text: object) -> object:
    """Stored JSON text as JSON; text that is none stays text."""
    if not isinstance(text, str):
        return None
    try:
        value: object = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text
    return value


def _rounded(value: object) -> object:
    return round(value, 3) if isinstance(value, float) else value
