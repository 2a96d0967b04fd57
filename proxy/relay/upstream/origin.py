"""The connections to one upstream address: made with happy eyeballs, kept for a while, the newest used first."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Sequence
from time import perf_counter
from urllib.parse import urlsplit

from aiohappyeyeballs import AddrInfoType, start_connection

from proxy.relay.errors import UpstreamTimeout, UpstreamUnreachable
from proxy.relay.upstream.connection import Connection

KEEP_ALIVE_S = 15.0
"""Shorter than the upstream's, so that a pooled connection is rarely found dead."""
ANSWERS_PER_REPLAY = 5
"""How many answers earn one request that may be sent twice: at most a fifth more load, whatever the upstream does."""
MOST_REPLAYS = 10
"""How many of those an upstream has at first, and can have saved up."""
_RESOLVED_S = 10.0
"""How long addresses of a name are used again."""
_NEXT_ADDRESS_S = 0.25
"""https://www.rfc-editor.org/rfc/rfc8305#section-5"""


class Origin:
    """Scheme, host and port of an upstream, and the idle connections to it."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, base: str, *, context: ssl.SSLContext, connect_timeout: float
    ) -> None:
        """`base` is scheme, authority and path prefix."""
        url = urlsplit(base)
        self._loop = loop
        self._context = context if url.scheme == "https" else None
        self._connect_timeout = connect_timeout
        self._name = (url.hostname or "").encode("idna").decode()
        self._port = url.port or (443 if self._context else 80)
        self._addresses: Sequence[AddrInfoType] = ()
        self._addresses_until = 0.0
        self._idle: list[Connection] = []
        self._sweep: asyncio.TimerHandle | None = None
        self._earned = ANSWERS_PER_REPLAY * MOST_REPLAYS
        self.host = _host(self._name, url.port, default=443 if self._context else 80)
        """The value of the field `Host`."""
        self.prefix = url.path.encode("ascii")
        """What comes before every path."""

    def idle(self) -> Connection | None:
        """The idle connection that was used last; None where there is none."""
        oldest = perf_counter() - KEEP_ALIVE_S
        while self._idle:
            connection = self._idle.pop()
            if connection.idle_since < oldest:
                connection.abort()
            elif not connection.closed:
                return connection
        return None

    def found_dead(self) -> None:
        """A connection that was used before proved dead; where many do, none is used again for a while."""
        self._earned = max(0, self._earned - ANSWERS_PER_REPLAY)
        if self._earned < ANSWERS_PER_REPLAY:
            self._close_idle()

    def keep(self, connection: Connection) -> None:
        """Keeps the connection of an answered request for the next one."""
        earned = self._earned + 1
        if earned < ANSWERS_PER_REPLAY:
            self._earned = earned
            connection.abort()
            return
        self._earned = min(earned, ANSWERS_PER_REPLAY * MOST_REPLAYS)
        connection.idle_since = perf_counter()
        self._idle.append(connection)
        if self._sweep is None:
            self._sweep = self._loop.call_later(KEEP_ALIVE_S, self._sweep_idle)

    def close(self) -> None:
        """Closes the idle connections."""
        if self._sweep is not None:
            self._sweep.cancel()
        self._close_idle()

    def _close_idle(self) -> None:
        while self._idle:
            self._idle.pop().abort()

    def _sweep_idle(self) -> None:
        oldest = perf_counter() - KEEP_ALIVE_S
        for connection in self._idle:
            if connection.idle_since <= oldest:
                connection.abort()
        self._idle = [connection for connection in self._idle if not connection.closed]
        self._sweep = self._loop.call_later(KEEP_ALIVE_S, self._sweep_idle) if self._idle else None

    async def connect(self) -> Connection:
        """A new connection. Raises UpstreamUnreachable or UpstreamTimeout."""
        try:
            async with asyncio.timeout(self._connect_timeout):
                return await self._secure(await self._reach(await self._resolve()))
        except TimeoutError as exc:
            message = "connecting to the upstream took too long; is it up?"
            raise UpstreamTimeout(message, error_type="connect_timeout") from exc

    async def _resolve(self) -> Sequence[AddrInfoType]:
        if self._addresses_until < perf_counter():
            try:
                self._addresses = await self._loop.getaddrinfo(self._name, self._port, type=socket.SOCK_STREAM)
            except socket.gaierror as exc:
                message = "the upstream's host name cannot be resolved; check its URL."
                raise UpstreamUnreachable(message, error_type="dns") from exc
            self._addresses_until = perf_counter() + _RESOLVED_S
        return self._addresses

    async def _reach(self, addresses: Sequence[AddrInfoType]) -> socket.socket:
        try:
            return await start_connection(
                addresses, happy_eyeballs_delay=_NEXT_ADDRESS_S, interleave=1, loop=self._loop
            )
        except TimeoutError:
            raise
        except OSError as exc:
            self._addresses_until = 0.0
            raise UpstreamUnreachable("the upstream refused the connection; is it up?", error_type="connect") from exc

    async def _secure(self, sock: socket.socket) -> Connection:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            _, connection = await self._loop.create_connection(
                lambda: Connection(self._loop),
                sock=sock,
                ssl=self._context,
                server_hostname=self._name if self._context else None,
            )
        except ssl.SSLCertVerificationError as exc:
            message = "the upstream's certificate is not trusted; check its URL."
            raise UpstreamUnreachable(message, error_type="tls") from exc
        except OSError as exc:
            message = "the TLS handshake with the upstream failed; check its URL."
            raise UpstreamUnreachable(message, error_type="tls" if self._context else "connect") from exc
        return connection


def _host(name: str, port: int | None, *, default: int) -> bytes:
    shown = f"[{name}]" if ":" in name else name
    return (shown if port in (None, default) else f"{shown}:{port}").encode("ascii")
