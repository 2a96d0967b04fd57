"""Identifiers: time-ordered request ids (ULID, https://github.com/ulid/spec) and trace context ids (W3C)."""

from __future__ import annotations

import re
from random import getrandbits  # ids are no secrets, and asking the kernel costs tens of µs each

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = tuple(a + b for a in _ALPHABET for b in _ALPHABET)
_SHIFTS = tuple(range(120, -1, -10))
_TRACEPARENT = re.compile(rb"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?")
"""Version 00 ends here; later ones may go on."""


class RequestIds:
    """Makes `px_` + ULID; within one millisecond the random part counts up, so that order is kept."""

    def __init__(self) -> None:
        self._last = 0

    def next(self, unix_ns: int) -> str:
        """A new id for a request accepted at `unix_ns`; never smaller than the one before."""
        value = (unix_ns // 1_000_000) << 80 | getrandbits(80)
        if value >> 80 <= self._last >> 80:
            value = self._last + 1
        self._last = value
        return "px_" + "".join([_PAIRS[value >> shift & 1023] for shift in _SHIFTS])


def trace_context(traceparent: bytes | None) -> tuple[str, str | None]:
    """(trace id, parent span id): the caller's where it sent a valid `traceparent`, else a new trace.

    https://www.w3.org/TR/trace-context/#traceparent-header
    """
    found = _TRACEPARENT.fullmatch(traceparent) if traceparent else None
    if found and found[2].strip(b"0") and found[3].strip(b"0") and (found[1] != b"00" or found[4] is None):
        return found[2].decode(), found[3].decode()
    return f"{getrandbits(128):032x}", None


def span_id() -> str:
    """A new span id: 16 hex digits."""
    return f"{getrandbits(64):016x}"
