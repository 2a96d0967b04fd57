"""The raw event stream of an answer, event by event with the time each arrived. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from proxy.inspector import formats
from proxy.reading.encodings import decoder
from proxy.reading.sse import Splitter

MAX_EVENTS = 2000
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


def raw_stream(body: bytes, content_encoding: str | None, chunks: Sequence[tuple[int, float]]) -> RawStream:
    """The events of a stored stream. `chunks` are (byte offset, ms since accept) of what arrived, on wire bytes."""
    events: list[RawEvent] = []
    characters = 0
    for at, name, data in _events(body, content_encoding, chunks):
        characters += len(data)
        if len(events) >= MAX_EVENTS or characters > MAX_CHARACTERS:
            return RawStream(tuple(events), bool(chunks), cut=True)
        events.append(RawEvent(formats.milliseconds(at), name, data))
    return RawStream(tuple(events), bool(chunks), cut=False)


def _events(
    body: bytes, content_encoding: str | None, chunks: Sequence[tuple[int, float]]
) -> Iterator[tuple[float | None, str, str]]:
    """Events with the time of the chunk that completed them."""
    splitter, coding = Splitter(), decoder(content_encoding)
    for at, piece in _pieces(body, chunks):
        for event in splitter.feed(coding.feed(piece)):
            yield at, event.name, event.data.decode("utf-8", "replace")


def _pieces(body: bytes, chunks: Sequence[tuple[int, float]]) -> Iterator[tuple[float | None, bytes]]:
    if not chunks or chunks[0][0] > 0:
        yield None, body[: chunks[0][0]] if chunks else body
    for number, (offset, at) in enumerate(chunks):
        end = chunks[number + 1][0] if number + 1 < len(chunks) else len(body)
        yield at, body[offset:end]
