"""One line per call: coloured for people on a terminal, JSON for machines otherwise."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import TextIO

from proxy.exchange import Exchange, Outcome
from proxy.ledger.queries import Listed
from proxy.names import fields
from proxy.observer.text import printable

_RESET, _DIM, _RED, _GREEN, _YELLOW, _CYAN = "\x1b[0m", "\x1b[2m", "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[36m"
_WIDEST = 60
_MODEL_WIDTH = 26
"""As wide as the dated names of today's models."""
_UNKNOWN = "—"


def call_line(listed: Listed, *, color: bool) -> str:
    """Time, status, model, tokens in and out, cost, milliseconds; what is not known is a dash."""
    exchange, usage = listed.exchange, listed.exchange.usage
    paint = _painted if color else _plain
    time = datetime.fromtimestamp(exchange.started_ns / 1e9).strftime("%H:%M:%S")
    failed = "" if exchange.outcome is Outcome.OK else f"  {paint(_RED, _outcome(exchange))}"
    return (
        "  ".join(
            (
                paint(_DIM, time),
                paint(_status_color(exchange), str(exchange.status or "---").rjust(3)),
                paint(
                    _CYAN,
                    printable(exchange.model or f"{exchange.method} {exchange.path}", _WIDEST).ljust(_MODEL_WIDTH),
                ),
                f"{_count(usage.input_tokens_total)} in {_count(usage.output_tokens)} out",
                (_UNKNOWN if listed.cost is None else _usd(listed.cost.total_usd)).rjust(9),
                paint(
                    _DIM, (_UNKNOWN if exchange.duration_ms is None else f"{exchange.duration_ms:,.0f} ms").rjust(10)
                ),
            )
        )
        + failed
    )


def _usd(amount: Decimal) -> str:
    """Four decimals, six for what would otherwise read as nothing."""
    return f"${amount:.4f}" if amount >= Decimal("0.0001") or not amount else f"${amount:.6f}"


def call_json(listed: Listed, time: str) -> str:
    """The same, told at `time`, as a line of JSON of the form that `proxy.lines` gives to all others."""
    exchange, cost = listed.exchange, listed.cost
    told = {
        "time": time,
        "level": "INFO",
        "logger": "proxy.calls",
        fields.MSG: fields.COMPLETED,
        "request_id": exchange.request_id,
        fields.STATUS: exchange.status,
        "outcome": str(exchange.outcome),
        "endpoint": exchange.endpoint,
        "operation": exchange.operation,
        "model": exchange.model,
        "input_tokens_total": exchange.usage.input_tokens_total,
        "output_tokens": exchange.usage.output_tokens,
        fields.COST_USD: None if cost is None else float(cost.total_usd),
        "duration_ms": None if exchange.duration_ms is None else round(exchange.duration_ms, 3),
        fields.ERROR_TYPE: exchange.error_type,
    }
    return json.dumps({name: value for name, value in told.items() if value is not None})


def printer(stream: TextIO, *, on_terminal: bool, color: bool) -> Callable[[Sequence[Listed]], None]:
    """What prints finished calls to `stream`; a listener for the observer. Colour on a terminal only, if wanted."""

    def tell(calls: Sequence[Listed]) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        lines = [call_line(one, color=color) if on_terminal else call_json(one, now) for one in calls]
        print("\n".join(lines), file=stream, flush=True)

    return tell


def _outcome(exchange: Exchange) -> str:
    parts = (str(exchange.outcome or ""), exchange.error_type or "", exchange.error_message or "")
    return printable(": ".join(part for part in parts if part), 120)


def _count(tokens: int | None) -> str:
    return (_UNKNOWN if tokens is None else f"{tokens:,}").rjust(7)


def _status_color(exchange: Exchange) -> str:
    if exchange.outcome is Outcome.OK:
        return _GREEN
    return _YELLOW if exchange.outcome is Outcome.CLIENT_DISCONNECTED else _RED


def _painted(code: str, text: str) -> str:
    return f"{code}{text}{_RESET}"


def _plain(_code: str, text: str) -> str:
    return text
