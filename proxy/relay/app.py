"""The relay: an ASGI callable that moves one request to its upstream and the answer back, unbuffered.

What is learned goes into a `Capture`; the recorder gets it in one `finally`, without an await in between.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from time import perf_counter
from typing import Protocol

from proxy.gate import Receive, Rejection, Scope, Send
from proxy.ledger.changes import Change
from proxy.reading import response as responses
from proxy.reading.operations import operation
from proxy.relay import answers, headers
from proxy.relay.attempts import tried
from proxy.relay.capture import Capture, Copy, Drain
from proxy.relay.download import MakeReader, Pushing, give_back
from proxy.relay.errors import (
    ClientDisconnected,
    Internal,
    Rejected,
    RelayError,
    ShuttingDown,
    UpstreamUnreachable,
)
from proxy.relay.hanging_up import drop, hung_up
from proxy.relay.ids import RequestIds, span_id, trace_context
from proxy.relay.routes import Route, Routes, target
from proxy.relay.upload import Upload, left_uploading, sent
from proxy.relay.upstream import Client, Connecting, Response
from proxy.settings.shape import Capture as CaptureLimits
from proxy.settings.shape import Relay as Limits

log = logging.getLogger(__name__)

OPEN_ROW_S = 0.03
"""What is over sooner is recorded whole at once; only a request that lasts longer needs an open row until then."""


class Recording(Protocol):
    """The recorder as the relay sees it: it neither waits nor fails."""

    def put(
        self,
        work: Callable[[], Change | None],
        held: int,
        request_id: str | None = None,
        shed: Callable[[], None] | None = None,
    ) -> None: ...
    def pace(self) -> float: ...


class Finish(Protocol):
    """Turns captures into changes of the ledger; every method runs in the recorder thread."""

    def opened(self, capture: Capture) -> Change | None: ...
    def arrived(self, capture: Capture) -> Change | None: ...
    def finished(self, capture: Capture) -> Change | None: ...


class Relay:
    """ASGI application of the relay port, behind the gate."""

    def __init__(
        self,
        *,
        routes: Routes,
        client: Client,
        recorder: Recording,
        finish: Finish,
        limits: Limits,
        capture: CaptureLimits,
        drain: Drain | None = None,
        reader: MakeReader = responses.reader,
        pushing: Pushing = lambda _: None,
    ) -> None:
        self._routes = routes
        self._client = client
        self._recorder = recorder
        self._finish = finish
        self._limits = limits
        self._capture = capture
        self._drain = drain or Drain()
        self._reader = reader
        self._pushing = pushing
        self._ids = RequestIds()
        self.open: dict[str, Capture] = {}
        """Requests under way, by request id."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Relays one request that the gate admitted."""
        if scope["type"] == "http":
            await self._exchange(scope, receive, send, None)

    async def refuse(self, scope: Scope, receive: Receive, send: Send, rejection: Rejection) -> None:
        """Answers and records one request that the gate refused."""
        rejected = Rejected(rejection.message, status=rejection.status, error_type=rejection.error_type)
        await self._exchange(scope, receive, send, Internal() if rejection.error_type == "internal" else rejected)

    def end_late(self) -> None:
        """Ends every request that has passed its deadline, and those whose client left while nobody read from it."""
        now = perf_counter()
        for capture in tuple(self.open.values()):
            if capture.deadline < now and capture.late is not None:
                capture.abort(capture.late())
            elif capture.uploading is not None and not capture.upload_complete and hung_up(capture.uploading):
                capture.abort(left_uploading())

    def end_all(self) -> None:
        """Ends every request under way because this process is about to end."""
        for capture in tuple(self.open.values()):
            capture.abort(ShuttingDown())

    async def _exchange(self, scope: Scope, receive: Receive, send: Send, refused: RelayError | None) -> None:
        capture = self._accept(scope)
        self.open[capture.request_id] = capture
        pause = self._recorder.pace()
        opening = asyncio.get_running_loop().call_later(OPEN_ROW_S, self._open_row, capture)
        try:
            await self._serve(capture, receive, send, refused, pause)
        finally:
            opening.cancel()
            if capture.gone is None:
                capture.times.duration_ms = capture.now()
            del self.open[capture.request_id]
            capture.task, capture.over = None, True
            self._recorder.put(lambda: self._finish.finished(capture), capture.held, capture.request_id, capture.shed)

    def _open_row(self, capture: Capture) -> None:
        """Has the request recorded while it is under way, so that it is not forgotten if this process dies."""
        capture.row_open = True
        self._recorder.put(lambda: self._finish.opened(capture), 1_024)
        if capture.upload_complete:
            self._arrived(capture)

    def _arrived(self, capture: Capture) -> None:
        if capture.keeping(self._capture.bodies) == "all":
            self._recorder.put(lambda: self._finish.arrived(capture), capture.request.held)

    def _accept(self, scope: Scope) -> Capture:
        fields = scope["headers"]
        trace_id, parent_span_id = trace_context(headers.first(fields, b"traceparent"))
        started_ns = time.time_ns()
        return Capture(
            request_id=self._ids.next(started_ns),
            method=scope["method"],
            raw_path=scope["raw_path"],
            query=scope["query_string"],
            headers=fields,
            request=Copy(self._capture.max_request),
            response=Copy(self._capture.max_response),
            trace_id=trace_id,
            parent_span_id=parent_span_id,
            span_id=span_id(),
            task=asyncio.current_task(),
            started_ns=started_ns,
        )

    async def _serve(
        self, capture: Capture, receive: Receive, send: Send, refused: RelayError | None, pause: float
    ) -> None:
        """Relays or refuses after a pause, and turns whatever goes wrong into the request's error."""
        try:
            route = self._find(capture)
            if refused is None and len(self.open) > self._limits.max_requests:
                raise Rejected("too many requests are open; try again shortly.", status=503, error_type="limit")
            if pause:
                await asyncio.sleep(pause)
            if refused is not None:
                raise refused
            await self._relay(capture, route, receive, send)
        except RelayError as error:
            capture.error = error
        except asyncio.CancelledError:
            capture.error = capture.cause or capture.gone or ShuttingDown()
            if capture.cause is None:
                raise
            if capture.task is not None:
                capture.task.uncancel()
        except Exception:
            log.exception("request %s failed inside the proxy", capture.request_id)
            capture.error = Internal()
        if capture.error is not None:
            capture.error = (capture.cause or capture.gone or capture.error).bare()
            await self._answer(capture, capture.error, send)

    def _find(self, capture: Capture) -> Route | None:
        """Where the request is to go, noted; None: no endpoint has its path."""
        route = self._routes.find(capture.raw_path)
        if route is not None:
            capture.endpoint_name = route.endpoint_name
            capture.endpoint = route.endpoint
            capture.target = target(route, capture.raw_path, capture.query)
            capture.operation, dialect = operation(capture.method, capture.target.partition("?")[0])
            capture.dialect = dialect or route.dialect
        return route

    async def _relay(self, capture: Capture, route: Route | None, receive: Receive, send: Send) -> None:
        if route is None:
            message = "no endpoint has this path; begin it with a configured one."
            raise Rejected(message, status=404, error_type="not_found")
        capture.upstream = route.upstream_name
        capture.sent_headers = headers.forwarded(capture.headers)
        watching: list[asyncio.Task[None]] = []

        def arrived() -> None:
            watching.append(asyncio.create_task(self._watch(capture, receive)))
            if capture.row_open:
                self._arrived(capture)

        upload = Upload(capture, receive, self._limits, arrived)
        try:
            await upload.begin()
            capture.uploading = None if upload.complete else send
            response = await self._response(capture, route, upload)
            try:
                await give_back(capture, response, send, self._limits, self._reader, self._pushing)
            finally:
                response.close()
        finally:
            capture.uploading = None
            for watcher in watching:
                watcher.cancel()

    async def _watch(self, capture: Capture, receive: Receive) -> None:
        """Sees the client leave in every phase after its upload; during it, the upload does."""
        while (await receive())["type"] != "http.disconnect":
            pass
        gone = ClientDisconnected("the client closed its connection before it had the whole answer.")
        if capture.endpoint is not None and capture.endpoint.on_disconnect == "drain":
            capture.leave(gone, self._drain)
        else:
            capture.abort(gone)

    async def _response(self, capture: Capture, route: Route, upload: Upload) -> Response:
        """The upstream's answer; a reused connection that proves dead is replaced once, body permitting."""
        try:
            return await self._attempt(capture, route, upload, fresh=False)
        except UpstreamUnreachable as error:
            if not error.stale or not upload.replayable:
                raise
        return await self._attempt(capture, route, upload, fresh=True)

    async def _attempt(self, capture: Capture, route: Route, upload: Upload, *, fresh: bool) -> Response:
        started_ms = capture.now()
        connecting = Connecting()
        response: Response | None = None
        error: RelayError | None = None
        body = None if upload.empty else upload
        if body is None:
            sent(capture, self._limits)
        try:
            response = await self._client.send(
                capture.method, route.base, capture.target, capture.sent_headers, body, connecting, fresh=fresh
            )
        except RelayError as raised:
            error = raised
            raise
        except asyncio.CancelledError:
            error = capture.cause
            raise
        finally:
            capture.times.connect_ms = connecting.connect_ms
            if body is None:
                connected = connecting.reused or connecting.connect_ms is not None
                capture.times.sent_ms = started_ms + (connecting.connect_ms or 0.0) if connected else None
            capture.attempts.append(tried(capture, route, connecting, started_ms, response, error))
            error = None  # its traceback holds this frame
        return response

    async def _answer(self, capture: Capture, error: RelayError, send: Send) -> None:
        """Tells the client of the error while it can still be told; otherwise its connection just breaks.

        Returning with an unfinished answer makes the server close the connection without a last chunk.
        """
        if capture.status is not None or isinstance(error, ClientDisconnected):
            if error.error_type == "client_stalled":
                drop(send)
            return
        body = answers.error_body(error, capture.dialect, capture.request_id)
        keep_open = capture.upload_complete
        capture.returned_headers = answers.error_headers(error, body, capture.request_id, keep_open=keep_open)
        capture.own_answer = body
        capture.status = error.status
        with contextlib.suppress(asyncio.CancelledError):
            await answers.send_whole(send, error.status, capture.returned_headers, body)
        capture.delivered = len(body)
