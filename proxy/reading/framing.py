"""From body bytes to events or one JSON text: decodes, tells the two apart, and keeps all buffers bounded."""

from __future__ import annotations

from typing import Protocol

from proxy.reading.encodings import Decoder, decode, decoder, is_encoded
from proxy.reading.facts import ResponseFacts
from proxy.reading.problems import Problems
from proxy.reading.sse import Event, Splitter, is_stream, says_stream

MAX_JSON_BYTES = 16 * 1024 * 1024
SETTLED_BYTES = 8 * 1024
"""How much of a settled stream waits to be read in one go."""
_SKIMMED_BYTES = 1024 * 1024
"""Far below the largest event, so that none is passed over that is too large to read."""
_STRIDE = 1024


class Meaning(Protocol):
    """What a dialect makes of a body."""

    problems: Problems
    settled: bool
    """Whether the times of further events cannot matter; stays once it is so."""

    def consume(self, event: Event, at_ms: float | None) -> None:
        """Take one event of a stream; `at_ms` is None when its time is not known."""

    def silent(self, data: bytes, at: int) -> int:
        """Return up to where the events that begin at `at` say nothing: a later event's beginning, or `at`.

        Asked when settled, of bytes without CR; an event that is passed over must change nothing if consumed.
        """

    def whole(self, body: bytes) -> None:
        """Take a body that is not a stream, with its content coding taken off; it may be empty or not JSON."""

    def over(self, *, streamed: bool, readable: bool) -> None:
        """Learn that nothing more comes, whether it was an event stream and whether its coding could be taken off."""

    def facts(self) -> ResponseFacts:
        """Return what is known, after `over`."""


class Framing:
    """Feeds the bytes of one response body to a meaning.

    An event stream is read as it arrives until its meaning is settled, then in batches. Everything else is only
    remembered (up to `limit` bytes as on the wire). What is left is read in `end`, which may run in another thread.
    """

    def __init__(
        self, meaning: Meaning, content_type: str | None, content_encoding: str | None, limit: int = MAX_JSON_BYTES
    ) -> None:
        self._meaning = meaning
        self._content_type = content_type
        self._content_encoding = content_encoding
        self._limit = limit
        encoded = is_encoded(content_encoding or None)
        self._deferred = encoded and not says_stream(content_type)
        self._decoder: Decoder | None = decoder(content_encoding) if encoded and not self._deferred else None
        self._error: str | None = None
        self._splitter: Splitter | None = None
        self._undecided: bytes | None = b""
        self._waiting: bytearray | None = None
        self._kept: list[bytes] = []
        self._kept_bytes = 0
        self._too_large = False

    def feed(self, data: bytes, at_ms: float | None) -> None:
        """Take the next bytes of the body; those of a body that is no stream are kept by reference, not copied."""
        waiting = self._waiting
        if waiting is not None:
            waiting += data
            if len(waiting) >= SETTLED_BYTES:
                self._catch_up(waiting)
            return
        if self._deferred:
            self._keep(data)
            return
        if self._decoder is not None:
            data = self._decoder.feed(data)
        self._look(data, at_ms)

    def end(self) -> None:
        """Read what was only remembered. Call once, after the last `feed`."""
        if self._waiting:
            self._catch_up(self._waiting)
        elif self._deferred and not self._too_large:
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
            if self._meaning.settled and not self._deferred:
                self._waiting = bytearray()
        elif self._undecided is None:
            self._keep(data)
        else:
            self._undecided += data
            stream = is_stream(self._undecided, self._content_type)
            if stream is not None:
                self._decide(stream, at_ms)

    def _catch_up(self, waiting: bytearray) -> None:
        """Read the bytes that came since the meaning was settled."""
        data = bytes(waiting) if self._decoder is None else self._decoder.feed(bytes(waiting))
        waiting.clear()
        if self._splitter is not None:
            self._skim(self._splitter, data)

    def _skim(self, splitter: Splitter, data: bytes) -> None:
        """Read only the events that may say something, where it is certain what the others are."""
        meaning = self._meaning
        plain = len(data) <= _SKIMMED_BYTES and b"\r" not in data
        at = 0
        while at < len(data):
            begin = meaning.silent(data, at) if plain and splitter.between else at
            if begin == at:
                blank = data.find(b"\n\n", at + _STRIDE) if plain else -1
                begin = len(data) if blank < 0 else blank + 2
                for event in splitter.feed(data[at:begin]):
                    meaning.consume(event, None)
            at = begin

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
