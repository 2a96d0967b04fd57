"""One connection to an upstream: asks, and hands over what has arrived, even while the request is still being sent."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Sequence
from typing import Protocol, cast

from proxy.relay.errors import UpstreamTruncated
from proxy.relay.upstream.answer import Answer, AnswerParser, NotRelayable

_BUFFER = 65_536
"""Body bytes that may wait to be taken before the upstream is held back."""
Offer = Callable[[bytes], bool]
"""Takes a piece of a body that goes on after it, or says that it has to wait."""
_REFUSED = 400
"""From this status on, an answer tells that the rest of the upload is not wanted."""


class Body(Protocol):
    """A request body that may still be arriving."""

    @property
    def complete(self) -> bool:
        """Whether its last byte has arrived."""
        ...

    def so_far(self) -> Sequence[bytes]:
        """What has arrived of it."""
        ...

    async def more(self) -> bytes | None:
        """The next bytes; None when it broke off, which its owner has been told."""
        ...

    def sent(self) -> None:
        """Called when its last byte was handed over."""
        ...


class ConnectionLost(Exception):
    """The connection ended before an answer began; `heard` is what came instead of HTTP, None if it just ended."""

    def __init__(self, heard: bytes | None) -> None:
        super().__init__(heard)
        self.heard = heard


class Connection(asyncio.Protocol):
    """One connection, used for one request after the other."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._parser = AnswerParser()
        self._answer: Answer | None = None
        self._heard: bytes | None = None
        """What came instead of HTTP; the error itself would hold this connection until a garbage collection."""
        self._waiter: asyncio.Future[None] | None = None
        self._offer: Offer | None = None
        self._drained: asyncio.Future[None] | None = None
        self._held_back = False
        self._transport: asyncio.Transport
        self.used = False
        """Whether it has carried a request before the present one."""
        self.answered = False
        """Whether any byte came since the present request was sent."""
        self.closed = False
        self.reset = False
        """Whether it was lost by an error rather than closed."""
        self.idle_since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        answer = self._answer
        if answer is None:
            self._transport.abort()  # an answer to nobody would become that of the next caller
            return
        self.answered = True
        try:
            self._parser.feed(data)
        except NotRelayable as failure:
            self._heard = failure.heard
            self._transport.abort()
        else:
            if self._taken_at_once(answer):
                return
        if answer.held > _BUFFER and not self._held_back:
            self._held_back = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        self._parser.end()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None:
            self._hear_out()
        self._parser.close()
        self.closed = True
        self.reset = exc is not None and self._heard is None
        self._wake()
        self.resume_writing()

    def _hear_out(self) -> None:
        """Takes what lies unread when writing failed: an upstream that refuses an upload answers and hangs up."""
        encrypted = self._transport.get_extra_info("sslcontext") is not None
        if encrypted or self._answer is None or self._answer.begun:
            return
        with contextlib.suppress(OSError):
            if data := os.read(self._transport.get_extra_info("socket").fileno(), _BUFFER):
                self.data_received(data)

    def pause_writing(self) -> None:
        if self._drained is None:
            self._drained = self._loop.create_future()

    def resume_writing(self) -> None:
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)

    def abort(self) -> None:
        """Ends the connection at once, in the middle of whatever it carries."""
        self.closed = True
        self._transport.abort()

    async def ask(self, method: str, head: bytes, body: Body | None, *, chunked: bool) -> Response:
        """Sends a request and waits for the head of its answer.

        Raises ConnectionLost. An answer that refuses the request ends an upload that is still under way.
        """
        answer = self._answer = self._parser.expect(method)
        self.answered = False
        uploading: asyncio.Task[None] | None = None
        try:
            if body is None:
                self._transport.write(head)
            else:
                uploading = self._upload(head, body, chunked=chunked)
            while not answer.begun:
                if self.failed:
                    raise ConnectionLost(self._heard)
                await self.arrival()
        except BaseException:
            if uploading is not None:
                uploading.cancel()
            self.abort()
            raise
        if uploading is not None and answer.status >= _REFUSED:
            uploading.cancel()
        return Response(self, answer, uploading)

    def _upload(self, head: bytes, body: Body, *, chunked: bool) -> asyncio.Task[None] | None:
        """Sends what has arrived of a body; a task passes on the rest."""
        parts = [head, *(map(_chunk, body.so_far()) if chunked else body.so_far())]
        self._transport.writelines(parts)
        if not body.complete or self._drained is not None:
            return self._loop.create_task(self._pass_on(body, chunked=chunked))
        if chunked:
            self._transport.write(_LAST)
        body.sent()
        return None

    async def _pass_on(self, body: Body, *, chunked: bool) -> None:
        await self._drain()
        while not body.complete and not self.closed:
            piece = await body.more()
            if piece is None:
                self.abort()
                return
            if piece:
                self._transport.write(_chunk(piece) if chunked else piece)
                await self._drain()
        if not self.closed:
            if chunked:
                self._transport.write(_LAST)
            body.sent()

    async def _drain(self) -> None:
        if self._drained is not None:
            await self._drained

    def _wake(self) -> None:
        waiter, self._waiter, self._offer = self._waiter, None, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _taken_at_once(self, answer: Answer) -> bool:
        """Whether what has arrived was taken on behalf of the one who waits, who then need not be woken."""
        offer, waiter = self._offer, self._waiter
        if offer is None or waiter is None or waiter.done() or answer.ended or not answer.pieces:
            return False
        piece = answer.take()
        if not offer(piece):
            answer.put_back(piece)
            return False
        return True

    def arrival(self, offer: Offer | None = None) -> asyncio.Future[None]:
        """Done when something has come that `offer` did not take, or the connection has ended; one at a time."""
        self._waiter = waiter = self._loop.create_future()
        self._offer = offer
        return waiter

    def taken(self) -> None:
        """What had arrived was taken: the upstream need not be held back any longer."""
        if self._held_back:
            self._held_back = False
            self._transport.resume_reading()

    @property
    def failed(self) -> bool:
        """Whether nothing more can come."""
        return self.closed or self._heard is not None

    def finish(self) -> None:
        """The present answer was taken whole: what comes from now on, nobody asked for."""
        self._answer = None
        self.used = True
        self.taken()


class Response:
    """An upstream answer whose body is read as it arrives."""

    __slots__ = ("_answer", "_closed", "_connection", "_uploading", "headers", "keep", "status")

    def __init__(self, connection: Connection, answer: Answer, uploading: asyncio.Task[None] | None) -> None:
        self._connection = connection
        self._answer = answer
        self._uploading = uploading
        self._closed = False
        self.status = answer.status
        self.headers = answer.headers
        self.keep: Callable[[Connection], None] | None = None
        """Takes the connection when it can be used again."""

    async def read(self, offer: Offer | None = None) -> bytes:
        """All that has arrived, waiting for at least one byte; b"" at the end.

        `offer`, where given, may take what arrives meanwhile unless the body ends with it; the waiting then goes on.
        Raises UpstreamTruncated when the body ends before its framing says so.
        """
        answer, connection = self._answer, self._connection
        while not answer.pieces and not answer.ended:
            if connection.failed:
                error_type = "reset" if connection.reset else "truncated"
                raise UpstreamTruncated("the upstream's answer broke off.", error_type=error_type)
            await connection.arrival(offer)
        taken = answer.take()
        connection.taken()
        return taken

    @property
    def ended(self) -> bool:
        """Whether everything has been read."""
        return self._answer.ended and not self._answer.pieces

    def close(self) -> None:
        """Gives the connection back when the answer is whole and so is the request, else closes it; once."""
        if self._closed:
            return
        self._closed = True
        connection, uploading = self._connection, self._uploading
        uploaded = uploading is None or (uploading.done() and not uploading.cancelled())
        if self._answer.ended and self._answer.reusable and uploaded and self.keep and not connection.closed:
            connection.finish()
            self.keep(connection)
            return
        if uploading is not None:
            uploading.cancel()
        connection.abort()


_LAST = b"0\r\n\r\n"


def _chunk(piece: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(piece), piece)
