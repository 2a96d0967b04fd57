"""The answer on its way from the upstream connection to the client, copied and read as it passes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import perf_counter

from proxy.gate import Send
from proxy.ledger.chunks import MOST
from proxy.reading import response as responses
from proxy.relay import headers
from proxy.relay.capture import Capture
from proxy.relay.errors import ClientDisconnected, RelayError, UpstreamTimeout
from proxy.relay.upstream import Response
from proxy.settings.shape import Relay as Limits

MakeReader = Callable[..., responses.ResponseReader]
Push = Callable[[bytes], bool]
Pushing = Callable[[Send], Push | None]
"""What writes a piece of the answer that was begun with `send`, or says that it must wait; None where only that can."""

log = logging.getLogger(__name__)


async def give_back(
    capture: Capture,
    response: Response,
    send: Send,
    limits: Limits,
    reader: MakeReader = responses.reader,
    pushing: Pushing = lambda _: None,
) -> None:
    """Hands the answer to the client as it arrives; each chunk is sent first and looked at afterwards.

    When the client has left and the upstream is drained, it is looked at only.
    Raises UpstreamTruncated when it ends early, and ClientDisconnected at the end of what was drained.
    """
    capture.times.headers_ms = capture.now()
    capture.upstream_headers = response.headers
    capture.returned_headers = headers.returned(response.headers, capture.request_id.encode())
    try:
        capture.reader = _reader(capture, response, reader)
    except Exception as exc:
        log.exception("the answer to %s cannot be read", capture.request_id)
        capture.read_error = type(exc).__name__
    if capture.gone is None:
        await send({"type": "http.response.start", "status": response.status, "headers": capture.returned_headers})
        capture.status = response.status
    push = pushing(send)
    offer = None if push is None else _passing(capture, push, limits.idle_timeout)
    ended = False
    while not ended:
        capture.allow(limits.idle_timeout, _idle)
        chunk = await response.read(offer)
        ended = response.ended
        if not chunk and not ended:
            continue
        arrived_ms = capture.now()
        if capture.gone is None:
            capture.allow(limits.client_stall_timeout, _stalled)
            await send({"type": "http.response.body", "body": chunk, "more_body": not ended})
            capture.relayed = ended and capture.gone is None
        look(capture, chunk, arrived_ms)
        if capture.gone is not None and (ended or capture.response.size > capture.most_read):
            raise capture.gone


def _passing(capture: Capture, push: Push, idle_timeout: float) -> Callable[[bytes], bool]:
    """What sends a chunk in the middle of an answer as it arrives, and looks at it; the request's task sleeps on."""

    def passed(chunk: bytes) -> bool:
        arrived = perf_counter()
        if capture.gone is not None or not push(chunk):
            return False
        capture.deadline = arrived + idle_timeout  # as `allow` would: silence is what it waits for here
        look(capture, chunk, (arrived - capture.accepted) * 1000)
        return True

    return passed


def look(capture: Capture, chunk: bytes, arrived_ms: float) -> None:
    """Notes a chunk that the client, if still there, has been sent. Whatever happens in here, the relay goes on."""
    times = capture.times
    times.last_byte_ms = arrived_ms
    if not chunk:
        return
    if times.first_byte_ms is None:
        times.first_byte_ms = arrived_ms
        times.first_sent_ms = capture.now() if capture.gone is None else None
    if len(capture.chunks) < MOST:
        capture.chunks.append((capture.response.size, arrived_ms))
    capture.response.add(chunk)
    if capture.gone is None:
        capture.delivered += len(chunk)
    reader = capture.reader
    if reader is not None:
        try:
            reader.feed(chunk, arrived_ms)
        except Exception as exc:
            log.exception("reading the answer to %s failed", capture.request_id)
            capture.reader, capture.read_error = None, type(exc).__name__


def _reader(capture: Capture, response: Response, reader: MakeReader) -> responses.ResponseReader:
    content_type = headers.first(response.headers, b"content-type") or b""
    content_encoding = headers.first(response.headers, b"content-encoding") or b""
    return reader(
        operation=capture.operation,
        dialect=capture.dialect,
        content_type=content_type.decode("latin-1"),
        content_encoding=content_encoding.decode("latin-1"),
        status=response.status,
    )


def _idle() -> RelayError:
    return UpstreamTimeout("the upstream stopped sending.", error_type="idle_timeout")


def _stalled() -> RelayError:
    return ClientDisconnected("the client stopped reading.", error_type="client_stalled")
