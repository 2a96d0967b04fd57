"""What the recorder can be told about an exchange."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from proxy.exchange import Exchange, Headers, Hop


@dataclass(frozen=True, slots=True)
class Body:
    """One message body as it is to be stored."""

    chunks: Sequence[bytes]
    """What to store, after redaction; may be only the head."""
    size: int
    """Bytes of the whole, as on the wire."""
    sha256: str | None = None
    """Hex digest of the whole, as on the wire."""
    capture: str | None = None
    """Why it is not, or not wholly, stored: off, too_large, unsearched, disk_full, queue_full …; None = whole."""
    redacted: bool = False
    """A secret was masked, so that what is stored differs from the wire."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A request was accepted."""

    exchange: Exchange


@dataclass(frozen=True, slots=True)
class Arrived:
    """The request body has arrived; told before the end, so that an interrupted exchange still has it."""

    request_id: str
    body: Body


@dataclass(frozen=True, slots=True)
class Finished:
    """An exchange is over: everything there is to keep of it."""

    exchange: Exchange
    headers: Mapping[Hop, Headers] = field(default_factory=dict)
    bodies: Mapping[Hop, Body | Hop] = field(default_factory=dict)
    """A hop as value: the same bytes as at that hop."""
    chunks: Sequence[tuple[int, float]] = ()
    """Of a stream: byte offset and milliseconds since the request was accepted, per chunk."""


Change = Opened | Arrived | Finished
