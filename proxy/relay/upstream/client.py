"""Sends requests to upstreams over connections that are used again: HTTP/1.1, and nothing that was not asked for.

No redirects, cookies, proxies, passwords or retries; nothing is read from the environment but where certificates are.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from time import perf_counter

from proxy.relay.errors import RelayError, UpstreamUnreachable
from proxy.relay.headers import NAME
from proxy.relay.upstream.connection import Body, Connection, ConnectionLost, Response
from proxy.relay.upstream.origin import Origin

_WITH_BODY = ("POST", "PUT", "PATCH")
"""Methods whose requests say that they have no body: https://www.rfc-editor.org/rfc/rfc9110#section-8.6"""


class Connecting:
    """What is told about the connection of one attempt."""

    __slots__ = ("connect_ms", "reused")

    def __init__(self) -> None:
        self.connect_ms: float | None = None
        """None for a connection that was there already."""
        self.reused = False


class Client:
    """All upstream connections of one relay process."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, connect_timeout: float) -> None:
        self._loop = loop
        self._connect_timeout = connect_timeout
        self._context = ssl.create_default_context()
        self._context.keylog_filename = None  # type: ignore[assignment]  # SSLKEYLOGFILE must not leak session keys
        self._context.set_alpn_protocols(["http/1.1"])
        self._origins: dict[str, Origin] = {}

    async def send(
        self,
        method: str,
        base: str,
        target: str,
        headers: Sequence[tuple[bytes, bytes]],
        body: Body | None,
        connecting: Connecting,
        *,
        fresh: bool = False,
    ) -> Response:
        """Sends a request for `target` below `base` and waits for the head of the answer.

        `fresh` takes no connection that was used before. Raises UpstreamUnreachable or UpstreamTimeout.
        """
        origin = self._origins.get(base) or self._origin(base)
        framing = _framing(method, headers, body)
        head = request_head(method, origin, target, headers, framing)
        connection = await _connection(origin, connecting, fresh=fresh)
        try:
            response = await connection.ask(method, head, body, chunked=framing == _CHUNKED)
        except ConnectionLost as lost:
            raise _unanswered(lost, connection, origin) from lost
        response.keep = origin.keep
        return response

    async def close(self) -> None:
        """Closes the idle connections."""
        for origin in self._origins.values():
            origin.close()

    def _origin(self, base: str) -> Origin:
        origin = Origin(self._loop, base, context=self._context, connect_timeout=self._connect_timeout)
        self._origins[base] = origin
        return origin


_CHUNKED = b"transfer-encoding: chunked\r\n"


def request_head(
    method: str, origin: Origin, target: str, headers: Sequence[tuple[bytes, bytes]], framing: bytes
) -> bytes:
    """The request line and fields as bytes. Raises UpstreamUnreachable where a part of it would split the request."""
    fields = b"".join([b"%b: %b\r\n" % field for field in headers])
    line = b"%b %b%b HTTP/1.1\r\nhost: %b\r\n" % (
        method.encode("ascii"),
        origin.prefix,
        target.encode("latin-1"),
        origin.host,
    )
    head = b"%b%b%b\r\n" % (line, fields, framing)
    if head.count(b"\n") != len(headers) + 3 + bool(framing) or line.count(b" ") != 3:
        raise UpstreamUnreachable("the request cannot be sent on: it is not clean HTTP.", error_type="other")
    return head


def _framing(method: str, headers: Sequence[tuple[bytes, bytes]], body: Body | None) -> bytes:
    """The field that frames the body; b"" where the client's own does, or none is needed."""
    if b"content-length" in map(NAME, headers):
        return b""
    if body is not None:
        return b"content-length: %d\r\n" % sum(map(len, body.so_far())) if body.complete else _CHUNKED
    return b"content-length: 0\r\n" if method in _WITH_BODY else b""


async def _connection(origin: Origin, connecting: Connecting, *, fresh: bool) -> Connection:
    connection = None if fresh else origin.idle()
    if connection is not None:
        connecting.reused = True
        return connection
    start = perf_counter()
    connection = await origin.connect()
    connecting.connect_ms = (perf_counter() - start) * 1000
    return connection


def _unanswered(lost: ConnectionLost, connection: Connection, origin: Origin) -> RelayError:
    if lost.heard is not None:
        message = "the upstream's answer is not clean HTTP; check its URL."
        return UpstreamUnreachable(message, error_type="other", heard=lost.heard)
    message = "the connection to the upstream was lost before an answer; try again."
    stale = connection.used and not connection.answered
    if stale:
        origin.found_dead()
    return UpstreamUnreachable(message, error_type="reset", stale=stale)
