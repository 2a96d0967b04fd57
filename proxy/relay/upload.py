"""The request body on its way from the client to the upstream connection, copied as it passes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from proxy.gate import Receive
from proxy.relay.capture import Capture
from proxy.relay.errors import ClientDisconnected, Rejected, RelayError, UpstreamTimeout
from proxy.settings.shape import Relay as Limits


class Upload:
    """The client's body as the upstream connection asks for it, read from ASGI messages."""

    def __init__(self, capture: Capture, receive: Receive, limits: Limits, arrived: Callable[[], None]) -> None:
        """`arrived` is called once, when the last byte has come."""
        self._capture = capture
        self._receive = receive
        self._limits = limits
        self._arrived = arrived
        self._first = b""

    async def begin(self) -> None:
        """Waits for the first body message; most bodies are complete with it. Raises ClientDisconnected or Rejected."""
        self._first = await self._next()

    @property
    def replayable(self) -> bool:
        """Whether the body can be sent a second time."""
        return self._capture.request.whole

    @property
    def complete(self) -> bool:
        """Whether its last byte has arrived."""
        return self._capture.upload_complete

    @property
    def empty(self) -> bool:
        """Whether the client sent no body at all."""
        return self._capture.upload_complete and self._capture.request.size == 0

    def so_far(self) -> Sequence[bytes]:
        """What has arrived: of a body that is not kept whole, and so never sent twice, the first message."""
        return self._capture.request.chunks if self._capture.request.whole else (self._first,)

    async def more(self) -> bytes | None:
        """The next bytes; None when the body breaks off, which ends the request."""
        try:
            return await self._next()
        except RelayError as cause:
            self._capture.abort(cause)
            return None

    def sent(self) -> None:
        """Notes that the last byte was handed over."""
        sent(self._capture, self._limits)

    async def _next(self) -> bytes:
        capture = self._capture
        _allow(capture, self._limits.upload_idle_timeout, _upload_stalled)
        message = await self._receive()
        _allow(capture, self._limits.header_timeout, header_timeout)
        if message["type"] == "http.disconnect":
            raise left_uploading()
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
    _allow(capture, limits.header_timeout, header_timeout)


def _allow(capture: Capture, seconds: float, late: Callable[[], RelayError]) -> None:
    """Times the upload until an answer begins: from then on, the answer is what must go on."""
    if capture.upstream_headers is None:
        capture.allow(seconds, late)


def left_uploading() -> ClientDisconnected:
    """The end of a request whose client left before its body was here."""
    return ClientDisconnected("the client left during its upload.", error_type="upload_aborted")


def too_large(limit: int) -> Rejected:
    """The refusal of a body beyond the limit, in bytes."""
    message = f"the request body is larger than {limit} bytes; send less."
    return Rejected(message, status=413, error_type="body_too_large")


def header_timeout() -> UpstreamTimeout:
    """No response headers in the time allowed."""
    return UpstreamTimeout("the upstream did not answer in time; try again.", error_type="header_timeout")


def _upload_stalled() -> Rejected:
    return Rejected("the request body stopped arriving; send it again.", status=408, error_type="upload_aborted")
