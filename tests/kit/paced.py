"""An upstream in a process of its own that paces many streams at once: `python -m tests.kit.paced`.

The target says how it answers (`events`, `gap` and `wait` in seconds, `size` in bytes); every event tells when it was
sent. `/_seen` is what it has seen, by nonce.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from urllib.parse import parse_qsl, urlsplit

import uvloop

_HOME = Path(__file__).parents[2]
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\n%s\r\n\r\n"
_MESSAGE = (
    b'{"id":"msg_%s","type":"message","role":"assistant","model":"claude-sonnet-4-6","content":%s,'
    b'"stop_reason":%s,"usage":{"input_tokens":25,"output_tokens":%d}}'
)
_EVENT = b'event: %s\ndata: {"type":"%s",%s}\n\n'
_TEXT = b" and many more words of an answer" * 60
_DELTA = b'"index":0,"delta":{"type":"text_delta","text":"%d"}'


@dataclass
class Request:
    """One request as the upstream saw it; times by the monotonic clock, which all processes share."""

    begun: float
    whole: float | None = None
    """When its body was complete."""
    closed: float | None = None
    """When the connection broke before the answer was complete."""
    ended: float | None = None
    """When the answer was complete."""
    sha256: str = ""
    """Of the answer's body."""


@dataclass(frozen=True)
class Paced:
    """The running upstream."""

    url: str

    def seen(self) -> dict[str, Request]:
        """Requests by nonce; the last one that had it."""
        with urllib.request.urlopen(self.url + "/_seen", timeout=60) as answer:
            return {nonce: Request(**known) for nonce, known in json.load(answer).items()}


@contextlib.contextmanager
def paced() -> Iterator[Paced]:
    """Runs the upstream while the block does."""
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as sock:
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        command = [sys.executable, "-m", "tests.kit.paced", str(sock.fileno())]
        process = subprocess.Popen(command, pass_fds=[sock.fileno()], cwd=_HOME)
    with process:
        try:
            yield Paced(url)
        finally:
            process.kill()


def target(nonce: str, *, events: int = 0, gap: float = 0.0, wait: float = 0.0, size: int = 0) -> str:
    """The path of a request that is answered so; without events the answer is no stream, but of about `size` bytes."""
    return f"/v1/messages?nonce={nonce}&events={events}&gap={gap}&wait={wait}&size={size}"


def _event(kind: bytes, fields: bytes) -> bytes:
    return _EVENT % (kind, kind, fields)


def _beginning(nonce: bytes) -> bytes:
    block = b'"index":0,"content_block":{"type":"text","text":""}'
    message = _event(b"message_start", b'"message":' + _MESSAGE % (nonce, b"[]", b"null", 1))
    return message + _event(b"content_block_start", block)


def _ending(tokens: int) -> bytes:
    usage = b'"delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":%d}' % tokens
    stop = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
    return _event(b"content_block_stop", b'"index":0') + _event(b"message_delta", usage) + stop


class _Connection(asyncio.Protocol):
    def __init__(self, seen: dict[str, Request]) -> None:
        self._seen = seen
        self._loop = asyncio.get_running_loop()
        self._data = b""
        self._missing = 0
        self._request: Request | None = None
        self._asked: dict[str, str] = {}
        self._hash = hashlib.sha256()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self._request is not None and self._request.ended is None:
            self._request.closed = time.monotonic()
        self._request = None

    def data_received(self, data: bytes) -> None:
        if self._missing:
            self._missing -= len(data)
            self._body_came()
            return
        self._data += data
        if b"\r\n\r\n" not in self._data:
            return
        head, rest = self._data.split(b"\r\n\r\n", 1)
        self._data = b""
        address = head.split(b" ", 2)[1].decode()
        if address == "/_seen":
            self._tell()
            return
        self._asked = dict(parse_qsl(urlsplit(address).query))
        self._request = self._seen[self._asked["nonce"]] = Request(time.monotonic())
        length = head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0]
        self._missing = int(length or 0) - len(rest)
        self._body_came()

    def _body_came(self) -> None:
        if self._missing <= 0 and self._request is not None:
            self._missing = 0
            self._request.whole = time.monotonic()
            self._hash = hashlib.sha256()
            self._loop.call_later(float(self._asked.get("wait", 0)), self._answer)

    def _tell(self) -> None:
        body = json.dumps({nonce: vars(request) for nonce, request in self._seen.items()}).encode()
        self._transport.write(_HEAD % (b"application/json", b"content-length: %d" % len(body)) + body)

    def _answer(self) -> None:
        if self._request is None:
            return
        nonce, events = self._asked["nonce"].encode(), int(self._asked.get("events", 0))
        if not events:
            block = b'{"type":"text","text":"Hi%s"}' % (_TEXT if int(self._asked.get("size", 0)) else b"")
            blocks = b",".join([block] * max(1, -(-int(self._asked.get("size", 0)) // len(block))))
            body = _MESSAGE % (nonce, b"[%s]" % blocks, b'"end_turn"', 3)
            self._hash.update(body)
            self._transport.write(_HEAD % (b"application/json", b"content-length: %d" % len(body)) + body)
            self._complete()
            return
        self._transport.write(_HEAD % (b"text/event-stream", b"transfer-encoding: chunked"))
        self._chunk(_beginning(nonce))
        self._next(events, events, self._loop.time())

    def _next(self, left: int, events: int, due: float) -> None:
        """Paced by the time at which each event is due, so that the pace does not drift."""
        if self._request is None:
            return
        self._chunk(_event(b"content_block_delta", _DELTA % time.monotonic_ns()))
        if left > 1:
            due += float(self._asked.get("gap", 0))
            self._loop.call_at(due, self._next, left - 1, events, due)
            return
        self._chunk(_ending(events))
        self._transport.write(b"0\r\n\r\n")
        self._complete()

    def _chunk(self, data: bytes) -> None:
        self._hash.update(data)
        self._transport.write(b"%x\r\n%s\r\n" % (len(data), data))

    def _complete(self) -> None:
        if self._request is not None:
            self._request.ended = time.monotonic()
            self._request.sha256 = self._hash.hexdigest()
        self._request = None


async def _serve(sock: socket.socket) -> None:
    seen: dict[str, Request] = {}
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(seen), sock=sock, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(socket.socket(fileno=int(sys.argv[1]))))
