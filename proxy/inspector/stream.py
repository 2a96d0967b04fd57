"""The raw event stream of an answer, event by event with the time each arrived. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from proxy.inspector import formats
from proxy.ledger.chunks import MOST
from proxy.reading.encodings import decoder
from proxy.reading.sse import Splitter

MAX_EVENTS = 2000
PAGE_EVENTS = 500
MAX_CHARACTERS = 400_000
"""How much of a stream one page shows; the exact bytes are a link away."""


@dataclass(frozen=True, slots=True)
class RawEvent:
    """One server-sent event."""

    at: str
    """Since the request was accepted; "—" when times were not kept."""
    name: str
    data: str


@dataclass(frozen=True, slots=True)
class RawStream:
    """What a page shows of a stream."""

    events: tuple[RawEvent, ...]
    timed: bool
    cut: bool
    """There is more than is shown."""


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One event of a stored stream."""

    ms: float | None
    """When the chunk that completed it arrived, since the request was accepted; None when that was not kept."""
    name: str
    data: bytes


def raw_stream(body: bytes, content_encoding: str | None, chunks: Sequence[tuple[int, float]]) -> RawStream:
    """The events of a stored stream as a page shows them."""
    shown: list[RawEvent] = []
    characters = 0
    for event in events(body, content_encoding, chunks):
        data = event.data.decode("utf-8", "replace")
        characters += len(data)
        if len(shown) >= MAX_EVENTS or characters > MAX_CHARACTERS:
            return RawStream(tuple(shown), bool(chunks), cut=True)
        shown.append(RawEvent(formats.milliseconds(event.ms), event.name, data))
    return RawStream(tuple(shown), bool(chunks), cut=False)


def events(body: bytes, content_encoding: str | None, chunks: Sequence[tuple[int, float]]) -> Iterator[StreamEvent]:
    """The events of a stored stream. `chunks` are (byte offset, ms since accept) of what arrived, on stored bytes."""
    splitter, coding = Splitter(), decoder(content_encoding)
    for at, piece in _pieces(body, chunks):
        for event in splitter.feed(coding.feed(piece)):
            yield StreamEvent(at, event.name, event.data)


def _pieces(body: bytes, chunks: Sequence[tuple[int, float]]) -> Iterator[tuple[float | None, bytes]]:
    if not chunks or chunks[0][0] > 0:
        yield None, body[: chunks[0][0]] if chunks else body
    for (offset, at), (end, _) in pairwise(chunks):
        yield at, body[offset:end]
    if chunks:
        # Where the last of so many stands, others may have come behind it at times that nobody kept.
        yield None if len(chunks) >= MOST else chunks[-1][1], body[chunks[-1][0] :]
