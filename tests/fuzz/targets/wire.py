"""Both parsers with the gate behind them on the same bytes: what both let pass, both read as the same request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import h11
import zttp

from proxy.gate import check as refused
from proxy.serving.parsers import Strict
from tests.fuzz.targets.gate import RULES

TOKENS = (
    b"\r\n",
    b"\n",
    b"\r",
    b"POST /v1/messages HTTP/1.1\r\n",
    b"GET / HTTP/1.1\r\n",
    b" HTTP/1.0\r\n",
    b"Host: localhost\r\n",
    b"Content-Length: 3\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"\r\n\r\n",
    b"3\r\nabc\r\n",
    b"0\r\n\r\n",
    b"abc",
    b" ",
    b"\t",
    b":",
    b"Expect: 100-continue\r\n",
    b"Connection: close\r\n",
    b"0x",
    b"+",
    b";a=b",
    b"//",
    b"..",
    b"%00",
    b"\x00",
    b"\x0b",
    b"Host: localhost\r\nContent-Length: 3\r\n\r\nabc",
    b"0\r\nX-A: b\r\n\r\n",
    b"Upgrade: h2c\r\n",
    b",",
)


class Admitted(NamedTuple):
    """A request that passed parser and gate, whole."""

    method: bytes
    target: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


def check(data: bytes) -> None:
    """The requests that one parser finds are, as far as the other goes, the requests that it finds."""
    if not data:
        return
    for one, other in zip(_zttp(data), _h11(data), strict=False):
        assert one._replace(headers=_plain(one.headers)) == other._replace(headers=_plain(other.headers))


def _plain(headers: tuple[tuple[bytes, bytes], ...]) -> tuple[tuple[bytes, bytes], ...]:
    """h11 writes a transfer coding in lower case."""
    return tuple((name, value.lower() if name == b"transfer-encoding" else value) for name, value in headers)


def _zttp(data: bytes) -> Iterator[Admitted]:
    conn = zttp.Connection(zttp.SERVER)
    body = bytearray()
    head: Admitted | None = None
    try:
        event: zttp.Event = conn.receive_event(data)
        while event is not zttp.NEED_DATA:
            if isinstance(event, zttp.Request):
                assert isinstance(event.headers, zttp.HeaderBlock)
                lines = event.headers.to_list(lowercase_names=True)
                if event.http_version != b"1.1" or not _passes(event.method, event.path, event.query, lines):
                    return
                target = event.path + (b"?" + event.query if event.query else b"")
                head = Admitted(event.method, target, tuple(lines), b"")
                body.clear()
            elif isinstance(event, zttp.Data):
                body += event.data
            ended = isinstance(event, zttp.EndOfMessage) or (isinstance(event, zttp.Request) and event.end_stream)
            if ended and head is not None:
                yield head._replace(body=bytes(body))
                conn.send_response(200, [(b"content-length", b"0")])
                conn.end_message()
                conn.data_to_send()
                if conn.should_close():
                    return
                head = None
                conn.start_next_cycle()
            event = conn.next_event()
    except zttp.RemoteProtocolError:
        return


def _h11(data: bytes) -> Iterator[Admitted]:
    conn = Strict(h11.SERVER, 131_072)
    conn.receive_data(data)
    body = bytearray()
    head: Admitted | None = None
    try:
        while (event := conn.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
            if isinstance(event, h11.Request):
                path, _, query = event.target.partition(b"?")
                lines = [(name.lower(), value) for name, value in event.headers]
                if event.http_version != b"1.1" or not _passes(event.method, path, query, lines):
                    return
                head = Admitted(event.method, path + (b"?" + query if query else b""), tuple(lines), b"")
                body.clear()
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                yield head._replace(body=bytes(body))
                conn.send(h11.Response(status_code=200, headers=[(b"content-length", b"0")]))
                conn.send(h11.EndOfMessage())
                if conn.our_state is not h11.DONE or conn.their_state is not h11.DONE:
                    return
                conn.start_next_cycle()
    except h11.RemoteProtocolError:
        return


def _passes(method: bytes, path: bytes, query: bytes, headers: list[tuple[bytes, bytes]]) -> bool:
    scope = {
        "type": "http",
        "method": method.decode("latin-1"),
        "raw_path": path,
        "query_string": query,
        "http_version": "1.1",
        "headers": headers,
    }
    return refused(scope, RULES) is None
