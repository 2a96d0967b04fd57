"""A byte-level upstream: plays what a script says on a real socket and remembers what it saw."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

TLS_HANDSHAKE = b"\x16\x03"
LINGER_RESET = struct.pack("ii", 1, 0)

START = (
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant",'
    b'"model":"claude-sonnet-4-6","content":[],"stop_reason":null,"usage":{"input_tokens":25,"output_tokens":1}}}\n\n'
)
DELTA = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
    b'"delta":{"type":"text_delta","text":"Hi"}}\n\n'
)
END = (
    b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},'
    b'"usage":{"output_tokens":9}}\n\nevent: message_stop\ndata: {"type":"message_stop"}\n\n'
)
"""The events of a short stream: 25 tokens in, 9 out."""


@dataclass
class Seen:
    """One request as it arrived."""

    head: bytes = b""
    body: bytes = b""
    complete: bool = False
    """Whether the body was whole by its framing."""
    connection: int = 0
    closed_at: float | None = None
    """When the other side closed, by `time.monotonic`."""

    @property
    def line(self) -> bytes:
        """The request line."""
        return self.head.split(b"\r\n", 1)[0]

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """Header fields in order, names in lower case."""
        pairs = (line.split(b":", 1) for line in self.head.split(b"\r\n")[1:] if line)
        return [(name.strip().lower(), value.strip()) for name, value in pairs]

    def values(self, name: bytes) -> list[bytes]:
        """All values of one field."""
        return [value for field_name, value in self.headers if field_name == name]

    @property
    def sha256(self) -> str:
        """Hash of the body."""
        return hashlib.sha256(self.body).hexdigest()


class Talk:
    """What a script can do with its connection."""

    def __init__(self, sock: socket.socket, seen: Seen) -> None:
        self.sock = sock
        self.seen = seen
        self.keep = True

    def send(self, data: bytes) -> None:
        """Sends bytes as they are."""
        self.sock.sendall(data)

    def answer(
        self, body: bytes, *, status: str = "200 OK", headers: str = "", content_type: str = "application/json"
    ) -> None:
        """Sends one complete answer."""
        head = f"HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {len(body)}\r\n{headers}\r\n"
        self.send(head.encode("latin-1") + (b"" if self.seen.head.startswith(b"HEAD ") else body))

    def stream(self, chunks: list[bytes], *, headers: str = "", gap: float = 0.0, end: bool = True) -> None:
        """Sends a chunked event stream; without `end` the last chunk is missing."""
        self.send(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n"
            + f"{headers}\r\n".encode()
        )
        for chunk in chunks:
            self.send(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            if gap:
                time.sleep(gap)
        if end:
            self.send(b"0\r\n\r\n")

    def close(self) -> None:
        """Ends the connection politely."""
        self.keep = False

    def reset(self) -> None:
        """Ends the connection with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RESET)
        self.sock.close()
        self.keep = False

    def wait_closed(self, timeout: float = 20.0) -> None:
        """Waits until the other side has closed, and notes when."""
        self.sock.settimeout(timeout)
        with contextlib.suppress(OSError):
            while self.sock.recv(65536):
                pass
            self.seen.closed_at = time.monotonic()
        if self.seen.closed_at is None:
            self.seen.closed_at = time.monotonic()
        self.keep = False


Script = Callable[[Talk], None]


def ok(talk: Talk) -> None:
    """The default script: a small complete answer."""
    talk.answer(b'{"ok":true}')


@dataclass
class Upstream:
    """The server; set `script` at any time, read `seen` afterwards."""

    script: Script = ok
    early: Script | None = None
    """Runs when only the head of a request was read; the body is read and `script` runs if the connection is kept."""
    context: ssl.SSLContext | None = None
    seen: list[Seen] = field(default_factory=list)
    connections: int = 0

    @contextlib.contextmanager
    def running(self) -> Iterator[Upstream]:
        """Listens on a free loopback port while the block runs."""
        with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
            self.port = listener.getsockname()[1]
            threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
            yield self
            listener.shutdown(socket.SHUT_RDWR)

    @property
    def url(self) -> str:
        """Base URL."""
        return f"{'https' if self.context else 'http'}://127.0.0.1:{self.port}"

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(sock, self.connections), daemon=True).start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            stack.enter_context(sock)
            if self.context is not None:
                sock = stack.enter_context(self.context.wrap_socket(sock, server_side=True))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            rest = b""
            while True:
                seen = Seen(connection=number)
                rest = _read_head(sock, seen, rest)
                self.seen.append(seen)
                talk = Talk(sock, seen)
                if self.early is not None:
                    self.early(talk)
                    if not talk.keep:
                        return
                try:
                    rest = _read_body(sock, seen, rest)
                finally:
                    if not seen.complete:
                        seen.closed_at = time.monotonic()
                self.script(talk)
                if not talk.keep:
                    return


def _read_head(sock: socket.socket, seen: Seen, data: bytes) -> bytes:
    while b"\r\n\r\n" not in data:
        data += _some(sock)
        if data.startswith(TLS_HANDSHAKE):
            sock.sendall(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n")
            raise ConnectionError
    seen.head, rest = data.split(b"\r\n\r\n", 1)
    return rest


def _read_body(sock: socket.socket, seen: Seen, data: bytes) -> bytes:
    lengths = seen.values(b"content-length")
    if lengths:
        body = bytearray(data)
        while len(body) < int(lengths[0]):
            if len(body) < 100_000:
                seen.body = bytes(body)
            body += _some(sock)
        seen.body, rest = bytes(body[: int(lengths[0])]), bytes(body[int(lengths[0]) :])
        seen.complete = True
        return rest
    if seen.values(b"transfer-encoding") == [b"chunked"]:
        return _read_chunks(sock, seen, data)
    seen.complete = True
    return data


def _read_chunks(sock: socket.socket, seen: Seen, data: bytes) -> bytes:
    parts: list[bytes] = []
    while True:
        while b"\r\n" not in data:
            data += _some(sock)
        line, data = data.split(b"\r\n", 1)
        size = int(line, 16)
        while len(data) < size + 2:
            data += _some(sock)
        parts.append(data[:size])
        data = data[size + 2 :]
        if size == 0:
            seen.body = b"".join(parts)
            seen.complete = True
            return data


def _some(sock: socket.socket) -> bytes:
    data = sock.recv(1 << 18)
    if not data:
        raise ConnectionError
    return data
