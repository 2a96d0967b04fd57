"""Answers that the server itself gives, and the form of answers for clients of HTTP/1.0."""

from __future__ import annotations

import json
import struct
from http import HTTPStatus
from socket import SO_LINGER, SOL_SOCKET

from uvicorn.protocols.http import h11_impl, zttp_impl

from proxy.serving.connections import Connection

_REASONS = {
    400: "the request is not clean HTTP/1.1; check its framing.",
    414: "the request target is too long; shorten it.",
    431: "the request headers are too large or too many; send less.",
    501: "the only transfer coding understood is 'chunked'; use Content-Encoding instead.",
}
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with which closing breaks a connection instead of ending it."""


def refuse(connection: Connection, status: int) -> None:
    """Answers what the parser cannot read and ends the connection; an answer under way is broken off instead."""
    transport, cycle = connection.transport, connection.cycle
    if transport.is_closing():
        return
    if cycle is not None and not cycle.response_complete:
        cycle.disconnected = True
        cycle.message_event.set()
        if cycle.response_started:
            transport.abort()
            return
    transport.write(_refusal(status))
    transport.close()


def for_old_client(cycle: zttp_impl.RequestResponseCycle | h11_impl.RequestResponseCycle | None) -> None:
    """Has a request of HTTP/1.0 answered without chunks, and a broken answer reset: an end means it is whole."""
    if cycle is None or cycle.scope["http_version"] != "1.0" or isinstance(cycle.transport, _Breaking):
        return
    cycle.transport = _Breaking(cycle)  # type: ignore[assignment]
    if isinstance(cycle, zttp_impl.RequestResponseCycle):
        cycle.conn = _WithoutChunks()  # type: ignore[assignment]


def _refusal(status: int) -> bytes:
    message = f"anthropic-proxy: {_REASONS.get(status, _REASONS[400])}"
    body = json.dumps({"type": "error", "error": {"type": "invalid_request_error", "message": message}}).encode()
    return (
        f"HTTP/1.1 {status} {_phrase(status)}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
        "x-proxy-error: invalid_request_error\r\nconnection: close\r\n\r\n"
    ).encode() + body


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else ""


class _Breaking:
    """A transport whose close resets the connection unless the answer is whole."""

    def __init__(self, cycle: zttp_impl.RequestResponseCycle | h11_impl.RequestResponseCycle) -> None:
        self._cycle = cycle
        self._transport = cycle.transport

    def write(self, data: bytes) -> None:
        self._transport.write(data)

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def close(self) -> None:
        if self._cycle.response_complete:
            self._transport.close()
        else:
            self.abort()

    def abort(self) -> None:
        self._transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, _RESET)
        self._transport.abort()


class _WithoutChunks:
    """Writes an answer as zttp's connection would, without the framing that HTTP/1.0 does not know."""

    def __init__(self) -> None:
        self._out = bytearray()

    def send_response(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        framing = (b"transfer-encoding", b"connection")
        lines = [b"%s: %s\r\n" % (name, value) for name, value in headers if name.lower() not in framing]
        self._out += b"HTTP/1.1 %d %s\r\n%sconnection: close\r\n\r\n" % (
            status,
            _phrase(status).encode(),
            b"".join(lines),
        )

    def send_informational(self, status: int) -> None:
        """Nothing: HTTP/1.0 has no interim answers."""

    def send_data(self, data: bytes) -> None:
        self._out += data

    def end_message(self) -> None:
        """Nothing: the end of the connection is the end of the body."""

    def data_to_send(self) -> bytes:
        data = bytes(self._out)
        self._out.clear()
        return data

    def should_close(self) -> bool:
        return True
