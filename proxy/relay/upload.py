"""The request body on its way from the client to the upstream connection, copied as it passes."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload

from proxy.gate import Receive
from proxy.relay.capture import Capture
from proxy.relay.errors import ClientGone, Rejected, RelayError, UpstreamTimeout
from proxy.settings.shape import Relay as Limits


class UploadStopped(Exception):
    """Tells aiohttp's writer to break the upstream connection; the capture knows the cause."""


class Upload(Payload):
    """aiohttp payload that reads the client's body from ASGI messages while it writes them upstream."""

    _autoclose = True

    def __init__(self, capture: Capture, receive: Receive, limits: Limits, arrived: Callable[[], None]) -> None:
        """`arrived` is called once, when the last byte has come."""
        super().__init__(None, content_type="application/octet-stream")
        self._capture = capture
        self._receive = receive
        self._limits = limits
        self._arrived = arrived

    async def begin(self) -> None:
        """Waits for the first body message; most bodies are complete with it. Raises ClientGone or Rejected."""
        await self._next()
        if self._capture.upload_complete:
            self._size = self._capture.request.size

    @property
    def replayable(self) -> bool:
        """Whether the body can be sent a second time."""
        return self._capture.request.whole

    @property
    def empty(self) -> bool:
        """Whether the client sent no body at all."""
        return self._capture.upload_complete and self._capture.request.size == 0

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return b"".join(self._capture.request.chunks).decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        capture = self._capture
        for chunk in tuple(capture.request.chunks):
            await writer.write(chunk)
        while not capture.upload_complete:
            try:
                chunk = await self._next()
            except RelayError as cause:
                capture.abort(cause)
                raise UploadStopped from cause
            if chunk:
                await writer.write(chunk)
        sent(capture, self._limits)

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        await self.write(writer)

    async def _next(self) -> bytes:
        capture = self._capture
        capture.allow(self._limits.upload_idle_timeout, _upload_stalled)
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ClientGone("the client left during its upload.", error_type="upload_aborted")
        body: bytes = message.get("body", b"")
        if body:
            capture.request.add(body)
        if capture.request.size > self._limits.max_body:
            raise too_large(self._limits.max_body)
        if not message.get("more_body", False):
            capture.upload_complete = True
            capture.times.received_ms = capture.now()
            self._arrived()
        return body


def sent(capture: Capture, limits: Limits) -> None:
    """Notes that the last request byte was handed over: from here on the upstream has to answer."""
    capture.times.sent_ms = capture.now()
    capture.allow(limits.header_timeout, header_timeout)


def too_large(limit: int) -> Rejected:
    """The refusal of a body beyond the limit, in bytes."""
    message = f"the request body is larger than {limit} bytes; send less."
    return Rejected(message, status=413, error_type="body_too_large")


def header_timeout() -> UpstreamTimeout:
    """No response headers in the time allowed."""
    return UpstreamTimeout("the upstream did not answer in time; try again.", error_type="header_timeout")


def _upload_stalled() -> Rejected:
    return Rejected("the request body stopped arriving; send it again.", status=408, error_type="upload_aborted")
