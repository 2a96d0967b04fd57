"""Trace and span ids of an exchange as numbers: those of the record, else derived from its id, always the same."""

from __future__ import annotations

import hashlib
import re

from proxy.exchange import Exchange

_HEX = re.compile(r"[0-9a-f]{16}|[0-9a-f]{32}")


def trace_id(exchange: Exchange) -> int:
    """128 bits, never 0."""
    return _number(exchange.trace_id, 32) or _derived(exchange.request_id, "trace", 16)


def span_id(exchange: Exchange) -> int:
    """64 bits of the exchange's own span, never 0."""
    return _number(exchange.span_id, 16) or _derived(exchange.request_id, "span", 8)


def parent_span_id(exchange: Exchange) -> int | None:
    """The caller's span, None when it sent none."""
    return _number(exchange.parent_span_id, 16)


def attempt_span_id(exchange: Exchange, number: int, stored: str) -> int:
    """The span of one attempt, never 0."""
    return _number(stored, 16) or _derived(exchange.request_id, f"attempt {number}", 8)


def _number(text: str | None, digits: int) -> int | None:
    if text is None or len(text) != digits or _HEX.fullmatch(text.lower()) is None:
        return None
    return int(text, 16) or None


def _derived(request_id: str, purpose: str, size: int) -> int:
    digest = hashlib.sha256(f"{purpose} of {request_id}".encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:size], "big") or 1
