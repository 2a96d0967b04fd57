"""Many clients at once in one event loop: what each heard, and how long each event was on its way."""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from array import array
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import TypeVar, cast

import uvloop

from tests.kit.laws import API_KEY

T = TypeVar("T")
_SENT = re.compile(rb'"text":"(\d{9,})"')


@dataclass
class Heard:
    """What came of one request; times by the monotonic clock."""

    nonce: str
    begun: float
    first: float | None = None
    """When the head of the answer came."""
    ended: float | None = None
    """When the answer was whole or the connection broke."""
    head: bytes = b""
    whole: bool = False
    sha256: str = ""
    """Of the body, without its framing."""
    events: int = 0

    @property
    def status(self) -> int:
        """0 when nothing came."""
        return int(self.head.split(b" ", 2)[1]) if self.head else 0

    @property
    def request_id(self) -> str:
        """`x-proxy-request-id`; empty when nothing came."""
        return self.head.partition(b"x-proxy-request-id: ")[2].split(b"\r\n", 1)[0].decode()


@dataclass
class Crowd:
    """The clients of one address, and what they heard."""

    address: tuple[str, int]
    heard: list[Heard] = field(default_factory=list)
    transit_ms: array[float] = field(default_factory=lambda: array("d"))
    """How long each event was on its way, from the upstream's write to the client's read."""
    refused: int = 0
    """Connections that could not be made."""

    clients: set[Client] = field(default_factory=set)
    """Those whose connection is open."""

    def run(self, main: Coroutine[None, None, T]) -> T:
        """Runs the clients' loop; whoever is still connected in the end leaves."""

        async def to_the_end() -> T:
            try:
                return await main
            finally:
                for client in tuple(self.clients):
                    client.leave()
                await asyncio.sleep(0)
                self.clients.clear()

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(to_the_end())

    async def client(self) -> Client:
        """A connection of its own; waits and tries again where none can be made."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                return (await loop.create_connection(lambda: Client(self), *self.address))[1]
            except OSError:
                self.refused += 1
                await asyncio.sleep(0.05)

    async def ask(self, nonce: str, target: str, body: bytes = b"{}") -> Heard:
        """One request on a connection of its own."""
        client = await self.client()
        try:
            return await client.ask(nonce, target, body)
        finally:
            client.leave()


class Client(asyncio.Protocol):
    """One connection: one request after the other."""

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        self._data = b""
        self._length: int | None = None
        self._hash = hashlib.sha256()
        self._heard: Heard | None = None
        self._done: asyncio.Future[None] | None = None
        self._came = asyncio.Event()
        self.usable = True
        """Whether the connection is still there."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio's."""
        self._transport = cast(asyncio.Transport, transport)
        self._crowd.clients.add(self)

    async def ask(self, nonce: str, target: str, body: bytes = b"{}") -> Heard:
        """Returns when the answer is whole or the connection has broken."""
        heard = self.begin(nonce, target, body)
        await self.over()
        return heard

    def begin(self, nonce: str, target: str, body: bytes = b"{}", *, missing: int = 0) -> Heard:
        """Sends a request, but for the last `missing` bytes of its body, and does not wait."""
        head = (
            f"POST {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nx-api-key: {API_KEY}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body) + missing}\r\n\r\n"
        )
        self._heard = Heard(nonce, time.monotonic())
        self._crowd.heard.append(self._heard)
        self._done = asyncio.get_running_loop().create_future()
        self._data, self._length, self._hash = b"", None, hashlib.sha256()
        if self.usable:
            self._transport.write(head.encode() + body)
        else:
            self._end(whole=False)
        return self._heard

    async def over(self) -> None:
        """Waits until the answer to the last request is whole or the connection has broken."""
        if self._done is not None:
            await self._done

    async def heard_events(self, count: int) -> None:
        """Waits until so many events of the answer have come, or the connection has broken."""
        while self._heard is not None and self._heard.events < count:
            self._came.clear()
            await self._came.wait()

    def leave(self) -> None:
        """Closes at once, whatever is under way."""
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """asyncio's."""
        heard = self._heard
        if heard is None:
            return
        self._data += data
        if not heard.head:
            if b"\r\n\r\n" not in self._data:
                return
            heard.head, self._data = self._data.split(b"\r\n\r\n", 1)
            heard.first = time.monotonic()
            length = heard.head.lower().partition(b"\r\ncontent-length:")[2].split(b"\r\n", 1)[0]
            self._length = int(length) if length else None
        if self._length is None:
            self._chunks()
        elif len(self._data) >= self._length:
            self._hash.update(self._data)
            self._end(whole=True)

    def connection_lost(self, error: Exception | None) -> None:
        """asyncio's."""
        self.usable = False
        self._crowd.clients.discard(self)
        self._end(whole=False)

    def _chunks(self) -> None:
        while True:
            line, found, rest = self._data.partition(b"\r\n")
            if not found or len(rest) < int(line, 16) + 2:
                return
            size = int(line, 16)
            self._data = rest[size + 2 :]
            if size == 0:
                self._end(whole=True)
                return
            self._event(rest[:size])

    def _event(self, data: bytes) -> None:
        self._hash.update(data)
        now = time.monotonic_ns()
        for sent in _SENT.finditer(data):
            self._crowd.transit_ms.append((now - int(sent[1])) / 1e6)
            if self._heard is not None:
                self._heard.events += 1
        self._came.set()

    def _end(self, *, whole: bool) -> None:
        heard, self._heard = self._heard, None
        if heard is not None:
            heard.ended, heard.whole, heard.sha256 = time.monotonic(), whole, self._hash.hexdigest()
        self._came.set()
        if self._done is not None and not self._done.done():
            self._done.set_result(None)
