"""A raw-socket client: sends exactly these bytes and reads exactly what comes."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
from dataclasses import dataclass

import httpx


@dataclass(frozen=True)
class Reply:
    """One answer as bytes."""

    head: bytes
    body: bytes
    ended: bool
    """Whether the body was whole by its framing."""

    @property
    def status(self) -> int:
        """HTTP status, 0 when nothing came."""
        return int(self.head.split(b" ", 2)[1]) if self.head else 0

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """Header fields in order, names as sent."""
        pairs = (line.split(b":", 1) for line in self.head.split(b"\r\n")[1:] if line)
        return [(name, value.strip()) for name, value in pairs]

    def value(self, name: bytes) -> bytes | None:
        """The first value of a field."""
        return next((value for field, value in self.headers if field.lower() == name.lower()), None)

    @property
    def request_id(self) -> str | None:
        """`x-proxy-request-id`."""
        value = self.value(b"x-proxy-request-id")
        return value.decode() if value else None

    def json(self) -> dict[str, object]:
        """The body as a JSON object."""
        value = json.loads(self.body)
        assert isinstance(value, dict)
        return value


class Connection:
    """One client connection."""

    def __init__(self, address: tuple[str, int], timeout: float = 20.0) -> None:
        self.sock = socket.create_connection(address, timeout=timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def send(self, *parts: bytes) -> None:
        """Sends bytes, each part in a call of its own."""
        for part in parts:
            self.sock.sendall(part)

    def reply(self, *, head_only: bool = False) -> Reply:
        """Reads one answer; `head_only` for answers to HEAD."""
        data = self._rest
        while b"\r\n\r\n" not in data:
            more = self._some()
            if not more:
                return Reply(b"", data, False)
            data += more
        head, data = data.split(b"\r\n\r\n", 1)
        reply = Reply(head, b"", True)
        if head_only or reply.status in (204, 304):
            self._rest = data
            return reply
        length = reply.value(b"content-length")
        if length is not None:
            return self._sized(head, data, int(length))
        if reply.value(b"transfer-encoding") == b"chunked":
            return self._chunked(head, data)
        while more := self._some():
            data += more
        return Reply(head, data, True)

    def until(self, needle: bytes, times: int = 1) -> bytes:
        """Reads until `needle` has come so many times."""
        while self._rest.count(needle) < times:
            more = self._some()
            assert more, f"{needle!r} never came"
            self._rest += more
        return self._rest

    def skip(self, end: bytes) -> None:
        """Forgets what came up to and with `end`."""
        self._rest = self.until(end).split(end, 1)[1]

    def closed(self) -> bool:
        """Waits for the other side to close; whether it did in time."""
        try:
            while more := self._some():
                self._rest += more
        except TimeoutError:
            return False
        return True

    def reset(self) -> None:
        """Ends the connection with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self) -> None:
        """Closes at once."""
        self.sock.close()

    def _sized(self, head: bytes, data: bytes, length: int) -> Reply:
        parts, got = [data], len(data)
        while got < length:
            more = self._some()
            if not more:
                return Reply(head, b"".join(parts), False)
            parts.append(more)
            got += len(more)
        body = b"".join(parts)
        self._rest = body[length:]
        return Reply(head, body[:length], True)

    def _chunked(self, head: bytes, data: bytes) -> Reply:
        parts: list[bytes] = []
        while True:
            while b"\r\n" not in data:
                more = self._some()
                if not more:
                    return Reply(head, b"".join(parts), False)
                data += more
            line, data = data.split(b"\r\n", 1)
            size = int(line, 16)
            while len(data) < size + 2:
                more = self._some()
                if not more:
                    return Reply(head, b"".join((*parts, data[:size])), False)
                data += more
            parts.append(data[:size])
            data = data[size + 2 :]
            if size == 0:
                self._rest = data
                return Reply(head, b"".join(parts), True)

    def _some(self) -> bytes:
        with contextlib.suppress(ConnectionError):
            return self.sock.recv(1 << 18)
        return b""


def ask(url: str, request: bytes) -> Reply:
    """Sends one request on a connection of its own and reads the answer."""
    with Connection(address(url)) as connection:
        connection.send(request)
        return connection.reply(head_only=request.startswith(b"HEAD "))


def address(url: str) -> tuple[str, int]:
    """Host and port of a base URL."""
    parsed = httpx.URL(url)
    return parsed.host, parsed.port or 80


def post(path: str, body: bytes, headers: str = "", host: str = "127.0.0.1") -> bytes:
    """A plain POST as bytes."""
    return f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


def get(path: str, headers: str = "", host: str = "127.0.0.1", method: str = "GET") -> bytes:
    """A plain GET as bytes."""
    return f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n".encode()


MESSAGES = post("/v1/messages", b'{"model": "claude-sonnet-4-6", "stream": true}')
"""A request as most tests send it."""
