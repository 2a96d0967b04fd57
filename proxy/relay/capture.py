"""What the relay notes while a request passes: mutable, owned by one request, read once by `finish`."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import NamedTuple, TypedDict

from proxy.exchange import Attempt, Headers
from proxy.gate import Send
from proxy.reading.facts import ResponseFacts
from proxy.reading.redaction.redactor import Redactor
from proxy.reading.response import ResponseReader
from proxy.reading.turns import Turn
from proxy.relay.errors import RelayError
from proxy.relay.headers import RawHeaders
from proxy.settings.shape import Bodies, Endpoint

_HASH_ALONG_BEYOND = 1 << 20
"""Larger bodies are hashed as they pass, so that no single step of the event loop has to hash them whole."""


class Copy:
    """A bounded copy of a body: the head up to `limit` bytes, size and sha256 of the whole."""

    __slots__ = ("_hash", "_limit", "_plain", "chunks", "clean", "dropped", "held", "size")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._plain = min(limit, _HASH_ALONG_BEYOND)
        self._hash: hashlib._Hash | None = None
        self.chunks: list[bytes] = []
        self.held = 0
        self.size = 0
        self.dropped: str | None = None
        """Why the kept bytes were let go again."""
        self.clean = False
        """It was searched for secrets already, and holds none."""

    def add(self, chunk: bytes) -> None:
        """Notes the next bytes of the body."""
        self.size += len(chunk)
        if self._hash is None and self.size <= self._plain:
            self.chunks.append(chunk)
            self.held = self.size
            return
        if self._hash is not None:
            self._hash.update(chunk)
        room = self._limit - self.held
        if room > 0:
            kept = chunk if len(chunk) <= room else chunk[:room]
            self.chunks.append(kept)
            self.held += len(kept)
        if self._hash is None and (self.size > _HASH_ALONG_BEYOND or self.held < self.size):
            self._hash = hashlib.sha256(b"".join(self.chunks))
            if self.held < self.size:
                self._hash.update(chunk[len(self.chunks[-1]) if room > 0 else 0 :])

    @property
    def whole(self) -> bool:
        """Whether every byte was kept."""
        return self.held == self.size

    def drop(self, reason: str) -> None:
        """Lets the kept bytes go, for want of memory; size and hash stay."""
        if self._hash is None:
            self._hash = hashlib.sha256(b"".join(self.chunks))
        self.chunks, self.held, self.dropped = [], 0, reason

    def joined(self) -> bytes:
        """What is kept of the body, in one; called in the recorder thread, when nothing is added any more."""
        chunks = self.chunks
        if len(chunks) == 1:
            return chunks[0]
        data = b"".join(chunks)
        if chunks and self.dropped is None:
            self.chunks = [data]
        return data

    def sha256(self, turn: Turn | None = None) -> str:
        """Hex digest of the whole body, of which `turn` is known; called in the recorder thread."""
        if self._hash is None:
            self._hash = hashlib.sha256(self.joined()) if turn is None else turn.sha256()
        return self._hash.hexdigest()


class _Read(NamedTuple):
    """A reader that was read to its end, and holds nothing of the body any more."""

    facts: ResponseFacts

    def feed(self, data: bytes, at_ms: float) -> None:
        """Nothing comes any more."""

    def end(self) -> ResponseFacts:
        """What it had found."""
        return self.facts


@dataclass(slots=True)
class Times:
    """Milliseconds since accept, named as in the record; None until it happened."""

    received_ms: float | None = None
    sent_ms: float | None = None
    connect_ms: float | None = None
    headers_ms: float | None = None
    first_byte_ms: float | None = None
    first_sent_ms: float | None = None
    last_byte_ms: float | None = None
    duration_ms: float | None = None


class Drain(NamedTuple):
    """How far the upstream is read on for its usage once the client has left."""

    seconds: float = 30.0
    bytes: int = 1_000_000


class Said(TypedDict):
    """What a request says of itself, as fields of the record."""

    session_id: str | None
    agent_id: str | None
    parent_agent_id: str | None
    client: str | None
    model: str | None
    stream: bool | None
    parameters: str | None
    message_count: int | None
    tool_count: int | None
    image_count: int | None
    retry_count: int | None
    customer_data: str | None
    workflow: str | None
    parse_error: str | None
    key: str | None


class Asked(NamedTuple):
    """What a request says of itself, and whose it is."""

    said: Said
    account_uuid: str | None


@dataclass(slots=True)
class Capture:
    """One request on its way through the relay."""

    request_id: str
    method: str
    raw_path: bytes
    query: bytes
    headers: RawHeaders
    request: Copy
    response: Copy
    trace_id: str
    parent_span_id: str | None
    span_id: str
    task: asyncio.Task[None] | None
    uploading: Send | None = None
    """The way back to its client, while its body is under way and the upstream is asked."""
    endpoint_name: str | None = None
    endpoint: Endpoint | None = None
    upstream: str | None = None
    dialect: str | None = None
    operation: str = "other"
    target: str = ""
    """Path and query as they go upstream; empty where no endpoint has the path."""
    sent_headers: RawHeaders = ()
    status: int | None = None
    upstream_headers: RawHeaders | None = None
    """None until an answer began."""
    returned_headers: RawHeaders = ()
    own_answer: bytes | None = None
    """Body of an error answer of ours."""
    delivered: int = 0
    upload_complete: bool = False
    relayed: bool = False
    """The whole answer was handed to the client's connection: leaving now changes nothing."""
    cause: RelayError | None = None
    """Why this request's task was cancelled by us."""
    gone: RelayError | None = None
    """The client has left; the upstream is read on without it."""
    most_read: int = 0
    """Once the client has left: how many bytes of the answer are read at most."""
    error: RelayError | None = None
    """How the request ended, when not by an upstream's answer."""
    deadline: float = float("inf")
    late: Callable[[], RelayError] | None = None
    """What passing the deadline means."""
    row_open: bool = False
    """It has lasted long enough for a row of its own before its end."""
    over: bool = False
    """The request is over; its whole record is with the recorder."""
    made: bool = False
    """Its whole record was made; noted by the recorder thread."""
    redactor: Redactor | None = None
    text: Headers | None = None
    """The request's header fields as text; made by the recorder thread, once."""
    asked: Asked | None = None
    """Read by the recorder thread, once."""
    turn: Turn | None = None
    """What is known of the request's body; begun by the recorder thread, once."""
    reader: ResponseReader | None = None
    read_error: str | None = None
    chunks: list[tuple[int, float]] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    times: Times = field(default_factory=Times)
    started_ns: int = field(default_factory=time.time_ns)
    accepted: float = field(default_factory=perf_counter)

    def now(self) -> float:
        """Milliseconds since the request was accepted."""
        return (perf_counter() - self.accepted) * 1000

    def allow(self, seconds: float, late: Callable[[], RelayError]) -> None:
        """The next thing must happen within `seconds`, or the request ends with `late()`."""
        if self.gone is None:
            self.deadline = perf_counter() + seconds
            self.late = late

    def leave(self, gone: RelayError, drain: Drain) -> None:
        """The client has left, and the upstream may go on for so long: the request is over for the client only."""
        if self.cause is None and not self.relayed:
            self.times.duration_ms = self.now()
            self.allow(drain.seconds, lambda: gone)
            self.most_read = self.response.size + drain.bytes
            self.gone = gone

    def abort(self, cause: RelayError) -> None:
        """Ends the request from outside its task; the first cause wins, a relayed answer stands."""
        if self.cause is None and not self.relayed and self.task is not None:
            self.cause = self.gone or cause
            self.task.cancel()

    def keeping(self, otherwise: Bodies) -> Bodies:
        """Which bodies of this request are kept: none if the client wants that, else as its endpoint has it."""
        if self.unwanted:
            return "none"
        return (self.endpoint.capture if self.endpoint else None) or otherwise

    @property
    def unwanted(self) -> bool:
        """Whether the client wants that nothing out of the bodies is kept."""
        wishes = [value for name, value in self.headers if name == b"x-proxy-capture"]
        return bool(wishes) and any(value.strip().lower() not in (b"", b"on") for value in wishes)

    def shed(self) -> None:
        """Forgets the bodies because the recorder's queue is full, and what else holds them; never raises."""
        self.turn = None
        if self.reader is not None:
            try:
                self.reader = _Read(self.reader.end())
            except Exception as exc:
                self.reader, self.read_error = None, type(exc).__name__
        self.request.drop("queue_full")
        self.response.drop("queue_full")

    @property
    def held(self) -> int:
        """Bytes of memory that the recorder takes over with this capture."""
        return 2_048 + self.request.held + self.response.held
