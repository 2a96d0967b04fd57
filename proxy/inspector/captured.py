"""One stored body with its headers: what can be shown of it, or why it cannot be shown."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

import msgspec

from proxy.exchange import Exchange, Headers, Hop
from proxy.inspector import formats
from proxy.inspector.blocks import Budget
from proxy.inspector.code import Part, listing
from proxy.ledger import bodies
from proxy.ledger.bodies import StoredBody
from proxy.reading.encodings import decode
from proxy.reading.sse import is_stream

MAX_SHOWN = 200_000
"""Characters of a body that one page shows."""
MAX_FORMATTED = 8_000_000
"""Bytes of JSON beyond which it is shown as it is, not indented."""

LABELS = {
    Hop.CLIENT_REQUEST: "Client → proxy",
    Hop.UPSTREAM_REQUEST: "Proxy → upstream",
    Hop.UPSTREAM_RESPONSE: "Upstream → proxy",
    Hop.CLIENT_RESPONSE: "Proxy → client",
}

_REASONS = {
    "off": "capture was off for this request",
    "too_large": "it is larger than the capture limit",
    "disk_full": "the disk was full",
    "queue_full": "more arrived than could be written",
    "evicted": "it was deleted to keep the ledger within its size",
    "expired": "it was deleted when it had reached its age limit",
    "ledger_error": "the ledger could not be written",
    "unsearched": "it could not be searched for secrets: its coding is not what its header says, or it took too long",
    "interrupted": "bodies are kept of failed requests only, and the proxy died before this one had ended",
}


@dataclass(frozen=True, slots=True)
class Captured:
    """A body at one hop."""

    hop: Hop
    headers: Headers
    stored: StoredBody | None
    data: bytes
    """Without content coding; as much as is stored and could be decoded."""
    notes: tuple[str, ...]
    """What a reader must know: why something is missing, cut or masked."""

    @property
    def content_type(self) -> str | None:
        """The hop's content type."""
        return header(self.headers, "content-type")

    @property
    def content_encoding(self) -> str | None:
        """The hop's content coding."""
        return header(self.headers, "content-encoding")

    @property
    def is_stream(self) -> bool:
        """Whether the body is an event stream."""
        return bool(self.data) and is_stream(self.data[:4096], self.content_type) is True

    @property
    def link(self) -> str | None:
        """Whether there are bytes to download: the last part of their address."""
        return self.hop.value if self.stored is not None and self.stored.stored_size else None

    @property
    def size(self) -> str:
        """The whole size, for reading."""
        return formats.size(self.stored.size) if self.stored is not None and self.stored.size else ""


def captured(conn: sqlite3.Connection, exchange: Exchange, headers: dict[Hop, Headers], hop: Hop) -> Captured:
    """The body of one hop as far as it is stored."""
    stored = bodies.get(conn, exchange.request_id, hop)
    own = headers.get(hop, ())
    if stored is None or not stored.stored_size:
        return Captured(hop, own, stored, b"", (_missing(exchange, hop, stored),))
    decoded = decode(stored.read(), header(own, "content-encoding"))
    notes = []
    if stored.capture is not None:
        kept = f"Only the first {formats.size(stored.stored_size)} of {formats.size(stored.size)} are stored"
        notes.append(f"{kept}: {_reason(stored.capture)}.")
    elif decoded.error is not None:
        notes.append(f"The content coding of the body could not be wholly taken off: {decoded.error}.")
    if stored.redacted:
        notes.append(f"Secrets were masked in what is stored{_rules(exchange)}.")
    return Captured(hop, own, stored, decoded.data, tuple(notes))


def shown(body: Captured) -> tuple[Part | None, int]:
    """The body as a listing, JSON indented, and how many characters were cut; None without a body."""
    if not body.data:
        return None, 0
    formatted = _formatted(body.data)
    text = (body.data if formatted is None else formatted).decode("utf-8", "replace")
    head, cut = Budget(MAX_SHOWN).take(text, MAX_SHOWN)
    return listing(head, "" if formatted is None else "json"), cut


def header(headers: Headers, name: str) -> str | None:
    """The first header of that name, in any case."""
    return next((value for each, value in headers if each.lower() == name), None)


def _formatted(data: bytes) -> bytes | None:
    if len(data) > MAX_FORMATTED or data.lstrip()[:1] not in (b"{", b"["):
        return None
    try:
        return msgspec.json.format(data, indent=2)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _missing(exchange: Exchange, hop: Hop, stored: StoredBody | None) -> str:
    if stored is not None and stored.capture is not None:
        return f"The body is not stored: {_reason(stored.capture)}."
    if stored is not None:
        return "The body is empty."
    if exchange.outcome is None:
        return "The request is still running; bodies are stored when it ends."
    if hop is Hop.CLIENT_REQUEST and exchange.request_capture is not None:
        return f"The body is not stored: {_reason(exchange.request_capture)}."
    if hop is Hop.CLIENT_RESPONSE and exchange.status is None:
        return "No response was sent."
    if hop in (Hop.UPSTREAM_REQUEST, Hop.UPSTREAM_RESPONSE) and not exchange.attempts:
        return "The request was not forwarded."
    if hop is Hop.UPSTREAM_RESPONSE:
        return "The upstream sent no response."
    return "Nothing is stored of this stage."


def _rules(exchange: Exchange) -> str:
    """Which rules masked how many secrets, in the whole request."""
    try:
        counts = msgspec.json.decode(exchange.redactions or "{}", type=dict[str, int])
    except msgspec.DecodeError:
        return ""
    named = ", ".join(f"{count} × {rule}" for rule, count in counts.items())
    return f" (in the whole request: {named})" if named else ""


def _reason(capture: str) -> str:
    return _REASONS.get(capture, capture.replace("_", " "))
