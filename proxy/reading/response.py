"""Readers of response bodies: bytes and times in, facts out."""

from __future__ import annotations

from typing import Protocol

from proxy.reading.dialects import meaning_of
from proxy.reading.errors import ErrorBody
from proxy.reading.facts import ResponseFacts as ResponseFacts
from proxy.reading.framing import MAX_JSON_BYTES, Framing, Meaning


class ResponseReader(Protocol):
    """Reads one response body; never raises, whatever the bytes."""

    def feed(self, data: bytes, at_ms: float) -> None:
        """Look at bytes that have been sent on; cheap enough for the event loop. They are kept by reference."""

    def end(self) -> ResponseFacts:
        """Return the facts, once; may take milliseconds and run in another thread after the last `feed`."""


def reader(
    *,
    operation: str,
    dialect: str | None,
    content_type: str | None,
    content_encoding: str | None,
    status: int,
    limit: int = MAX_JSON_BYTES,
) -> ResponseReader:
    """Return the reader of a response, chosen by what was asked and how it was answered.

    A body that is no stream is read only up to `limit` bytes as on the wire. Operations without facts of their own get
    a reader that ignores what it is fed; every answer with a status of 400 or more is read as an error.
    """
    if status >= 400:
        return _Reading(ErrorBody(), content_type, content_encoding, limit)
    meaning = meaning_of(operation, dialect)
    return _Silent() if meaning is None else _Reading(meaning, content_type, content_encoding, limit)


class _Reading:
    def __init__(self, meaning: Meaning, content_type: str | None, content_encoding: str | None, limit: int) -> None:
        self._meaning = meaning
        self._framing = Framing(meaning, content_type, content_encoding, limit)
        self.feed = self._framing.feed

    def end(self) -> ResponseFacts:
        self._framing.end()
        return self._meaning.facts()


class _Silent:
    def feed(self, data: bytes, at_ms: float) -> None:
        pass

    def end(self) -> ResponseFacts:
        return ResponseFacts()
