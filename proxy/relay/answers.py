"""Answers of our own, in the caller's dialect: errors and probes."""

from __future__ import annotations

import msgspec

from proxy.gate import RawHeaders, Send
from proxy.relay.errors import RelayError

_ANTHROPIC_TYPES = {
    400: "invalid_request_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
}
"""https://platform.claude.com/docs/en/api/errors"""


def error_body(error: RelayError, dialect: str | None, request_id: str) -> bytes:
    """The error as JSON in the shape that the caller's client library understands."""
    message = f"anthropic-proxy: {error}"
    if dialect == "openai":
        kind = "invalid_request_error" if error.status < 500 else "server_error"
        shape = {"error": {"message": message, "type": kind, "param": None, "code": error.error_type}}
        return msgspec.json.encode(shape)
    kind = _ANTHROPIC_TYPES.get(error.status, "api_error" if error.status >= 500 else "invalid_request_error")
    return msgspec.json.encode({"type": "error", "error": {"type": kind, "message": message}, "request_id": request_id})


def error_headers(error: RelayError, body: bytes, request_id: str, *, keep_open: bool) -> list[tuple[bytes, bytes]]:
    """Header fields of an error answer; a connection with unread body bytes is not used again."""
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"x-proxy-request-id", request_id.encode()),
    ]
    if error.error_type is not None:
        headers.append((b"x-proxy-error", error.error_type.encode()))
    if error.status == 503:
        headers.append((b"retry-after", b"1"))
    if not keep_open:
        headers.append((b"connection", b"close"))
    return headers


async def send_whole(send: Send, status: int, headers: RawHeaders, body: bytes) -> None:
    """Sends one complete answer."""
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
