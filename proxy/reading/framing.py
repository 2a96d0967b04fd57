"""From body bytes to events or one JSON text: decodes, tells the two apart, and keeps all buffers bounded."""

from __future__ import annotations

from typing import Protocol

from proxy.reading.encodings import Decoder, decode, decoder, is_encoded
from proxy.reading.facts import ResponseFacts
from proxy.reading.problems import Problems
from proxy.reading.sse import Event, Splitter, is_stream, says_stream

MAX_JSON_BYTES = 16 * 1024 * 1024


class Meaning(Protocol):
    """What a dialect makes of a body."""

    problems: Problems

    def consume(self, event: Event, at_ms: float | None) -> None:
        """Take one event of a stream; `at_ms` is None when its time is not known."""

    def whole(self, body: bytes) -> None:
        """Take a body that is not a stream, with its content coding taken off; it may be empty or not JSON."""

    def over(self, *, streamed: bool, readable: bool) -> None:
        """Learn that nothing more comes, whether it was an event stream and whether its coding could be taken off."""

    def facts(self) -> ResponseFacts:
        """Return what is known, after `over`."""


class Framing:
    """Feeds the bytes of one response body to a meaning.

    An event stream is read as it arrives. Everything else is only remembered (up to `limit` bytes as on the wire) and
    read in `end`, which may run in another thread.
    """

    def __init__(
        self, meaning: Meaning, content_type: str | None, content_encoding: str | None, limit: int = MAX_JSON_BYTES
    ) -> None:
        self._meaning = meaning
        self._content_type = content_type
        self._content_encoding = content_encoding
        self._limit = limit
        encoded = is_encoded(content_encoding)
        self._deferred = encoded and not says_stream(content_type)
        self._decoder: Decoder | None = decoder(content_encoding) if encoded and not self._deferred else None
        self._error: str | None = None
        self._splitter: Splitter | None = None
        self._undecided: bytes | None = b""
        self._kept: list[bytes] = []
        self._kept_bytes = 0
        self._too_large = False

    def feed(self, data: bytes, at_ms: float | None) -> None:
        """Take the next bytes of the body; they are kept by reference, not copied."""
        if self._deferred:
            self._keep(data)
            return
        if self._decoder is not None:
            data = self._decoder.feed(data)
        self._look(data, at_ms)

    def end(self) -> None:
        """Read what was only remembered. Call once, after the last `feed`."""
        if self._deferred and not self._too_large:
            self._decode_kept()
        elif self._undecided is not None:
            self._decide(says_stream(self._content_type), None)
        self._report()
        if self._splitter is None and not self._too_large:
            self._meaning.whole(b"".join(self._kept))
        self._meaning.over(streamed=self._splitter is not None, readable=not (self._error or self._too_large))

    def _look(self, data: bytes, at_ms: float | None) -> None:
        if self._splitter is not None:
            for event in self._splitter.feed(data):
                self._meaning.consume(event, at_ms)
        elif self._undecided is None:
            self._keep(data)
        else:
            self._undecided += data
            stream = is_stream(self._undecided, self._content_type)
            if stream is not None:
                self._decide(stream, at_ms)

    def _decide(self, stream: bool, at_ms: float | None) -> None:
        head, self._undecided = self._undecided or b"", None
        if stream:
            self._splitter = Splitter()
        self._look(head, at_ms)

    def _keep(self, data: bytes) -> None:
        self._kept_bytes += len(data)
        if self._kept_bytes > self._limit:
            self._too_large = True
            self._kept.clear()
        elif data:
            self._kept.append(data)

    def _decode_kept(self) -> None:
        """Decode a remembered body; if it turns out to be a stream, the times of its events are unknown."""
        decoded = decode(b"".join(self._kept), self._content_encoding)
        self._error = decoded.error
        self._limit = len(decoded.data)
        self._kept, self._kept_bytes = [], 0
        self._look(decoded.data, None)
        if self._undecided is not None:
            self._decide(says_stream(self._content_type), None)

    def _report(self) -> None:
        note = self._meaning.problems.note
        self._error = self._error or (self._decoder.error if self._decoder else None)
        if self._error:
            note(self._error)
        if self._too_large:
            note("too large to read")
        if self._splitter is not None and self._splitter.oversized:
            note("an event too large to read")
