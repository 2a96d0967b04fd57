"""The upstream side: aiohttp configured against its defaults, its exceptions mapped once.

aiohttp because it relays a stream for a quarter of httpx's CPU and survives cancellation; what has to be undone is
listed where it is undone (https://docs.aiohttp.org/en/stable/client_reference.html).
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from contextvars import ContextVar
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any, cast

import aiohttp
from aiohttp import hdrs
from aiohttp.client_proto import ResponseHandler
from multidict import CIMultiDict
from yarl import URL

from proxy.relay.errors import UpstreamTimeout, UpstreamTruncated, UpstreamUnreachable

if TYPE_CHECKING:
    import asyncio

    from proxy.relay.upload import Upload

_BUFFER = 65_536
_MAX_HEADER = 65_536
"""aiohttp refuses header lines over 8,190 bytes by default."""
_KEEP_ALIVE_S = 15.0
"""Shorter than the upstream's, so that a pooled connection is rarely found dead."""


class Connecting:
    """What the connector tells about the connection of one attempt."""

    __slots__ = ("connect_ms", "handler", "reused")

    def __init__(self) -> None:
        self.connect_ms: float | None = None
        self.reused = False
        self.handler: _Handler | None = None

    @property
    def silent(self) -> bool:
        """Whether the upstream sent no byte in answer to this attempt."""
        return self.handler is None or not self.handler.answered


_connecting: ContextVar[Connecting] = ContextVar("connecting")


class _Handler(ResponseHandler):
    """Knows whether any byte came back since the request was given its connection, and how that was lost."""

    answered = False
    asked = False
    used = False
    reset = False

    def data_received(self, data: bytes) -> None:
        if data and not self.asked and self.transport is not None:
            self.transport.abort()  # an answer to nobody would become that of the next caller
            return
        self.answered = True
        super().data_received(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        self.reset = exc is not None
        super().connection_lost(exc)


class _Connector(aiohttp.TCPConnector):
    """Tells the attempt about its connection."""

    def __init__(self, loop: asyncio.AbstractEventLoop, **options: Any) -> None:
        super().__init__(loop=loop, limit=0, **options)
        self._factory = partial(_Handler, loop=loop)  # type: ignore[assignment]

    async def connect(self, req: Any, traces: Any, timeout: Any) -> Any:  # noqa: ASYNC109
        connecting = _connecting.get()
        start = perf_counter()
        connection = await super().connect(req, traces, timeout)
        handler = cast(_Handler, connection.protocol)
        connecting.handler = handler
        connecting.reused = handler.used
        if not connecting.reused:
            connecting.connect_ms = (perf_counter() - start) * 1000
        handler.used = handler.asked = True
        handler.answered = False
        return connection

    def _release(self, key: Any, protocol: Any, *, should_close: bool = False) -> None:
        protocol.asked = False
        super()._release(key, protocol, should_close=should_close)


class Response:
    """An upstream answer whose body is read as it arrives."""

    __slots__ = ("_handler", "_response", "headers", "status")

    def __init__(self, response: aiohttp.ClientResponse, handler: _Handler | None) -> None:
        self._response = response
        self._handler = handler
        self.status = response.status
        self.headers = response.raw_headers

    async def read(self) -> bytes:
        """All that has arrived, waiting for at least one byte; b"" at the end.

        Raises UpstreamTruncated when the body ends before its framing says so.
        """
        try:
            return await self._response.content.readany()
        except (aiohttp.ClientError, OSError) as exc:
            reset = self._handler is not None and self._handler.reset
            raise UpstreamTruncated(
                "the upstream's answer broke off.", error_type="reset" if reset else "truncated"
            ) from exc

    @property
    def ended(self) -> bool:
        """Whether everything has been read."""
        return self._response.content.at_eof()

    def close(self) -> None:
        """Gives the connection back when the body was read to its end, else closes it."""
        self._response.close()


class Client:
    """One pool of upstream connections for one relay process."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, connect_timeout: float) -> None:
        assert aiohttp.http_parser.HttpResponseParser.__module__ == "aiohttp._http_parser", (
            "aiohttp runs without its C parser; install a wheel that has it."
        )
        context = ssl.create_default_context()
        context.keylog_filename = None  # type: ignore[assignment]  # SSLKEYLOGFILE must not leak session keys
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout, sock_read=None)
        self._sessions = {
            False: self._session(_Connector(loop, ssl=context, keepalive_timeout=_KEEP_ALIVE_S)),
            True: self._session(_Connector(loop, ssl=context, force_close=True)),
        }

    def _session(self, connector: aiohttp.BaseConnector) -> aiohttp.ClientSession:
        session = aiohttp.ClientSession(
            connector=connector,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            timeout=self._timeout,
            read_bufsize=_BUFFER,
            max_line_size=_MAX_HEADER,
            max_field_size=_MAX_HEADER,
            skip_auto_headers=(hdrs.USER_AGENT, hdrs.ACCEPT, hdrs.ACCEPT_ENCODING, hdrs.CONTENT_TYPE),
        )
        session._retry_connection = False  # its hidden retry would be an attempt that no record shows
        return session

    async def send(
        self,
        method: str,
        url: str,
        headers: Iterable[tuple[str, str]],
        body: Upload | None,
        connecting: Connecting,
        *,
        fresh: bool = False,
    ) -> Response:
        """Sends a request and waits for the response headers; `fresh` takes no pooled connection.

        Raises UpstreamUnreachable or UpstreamTimeout.
        """
        _connecting.set(connecting)
        try:
            response = await self._sessions[fresh].request(
                method,
                URL(url, encoded=True),
                headers=CIMultiDict(headers),
                data=body,
                allow_redirects=False,
            )
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            raise _unanswered(exc, connecting) from exc
        return Response(response, connecting.handler)

    async def close(self) -> None:
        """Closes every connection."""
        for session in self._sessions.values():
            await session.close()


def _unanswered(exc: Exception, connecting: Connecting) -> UpstreamUnreachable | UpstreamTimeout:
    """Why no response headers came, in the words of the closed set of error types."""
    if isinstance(exc, aiohttp.ServerTimeoutError | TimeoutError):
        return UpstreamTimeout("connecting to the upstream took too long; is it up?", error_type="connect_timeout")
    for kind, error_type, message in _CONNECT_FAILURES:
        if isinstance(exc, kind):
            return UpstreamUnreachable(message, error_type=error_type)
    if isinstance(exc, aiohttp.ClientConnectionError | OSError):
        return UpstreamUnreachable(
            "the connection to the upstream was lost before an answer; try again.",
            error_type="reset",
            stale=connecting.reused and connecting.silent,
        )
    return UpstreamUnreachable("the upstream's answer is not HTTP; check its URL.", error_type="reset")


_CONNECT_FAILURES: tuple[tuple[type[Exception], str, str], ...] = (
    (aiohttp.ClientConnectorDNSError, "dns", "the upstream's host name cannot be resolved; check its URL."),
    (aiohttp.ClientConnectorCertificateError, "tls", "the upstream's certificate is not trusted; check its URL."),
    (aiohttp.ClientSSLError, "tls", "the TLS handshake with the upstream failed; check its URL."),
    (aiohttp.ClientConnectorError, "connect", "the upstream refused the connection; is it up?"),
)
