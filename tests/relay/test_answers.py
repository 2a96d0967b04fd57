"""Error answers of our own."""

from __future__ import annotations

import json

import pytest

from proxy.relay.answers import error_body, error_headers
from proxy.relay.errors import Internal, Rejected, RelayError, ShuttingDown, UpstreamTimeout, UpstreamUnreachable

ERRORS: list[tuple[RelayError, int, str]] = [
    (Rejected("no.", status=404, error_type="not_found"), 404, "not_found_error"),
    (Rejected("no.", status=413, error_type="body_too_large"), 413, "request_too_large"),
    (Rejected("no.", status=431, error_type="limit"), 431, "invalid_request_error"),
    (UpstreamUnreachable("gone.", error_type="dns"), 502, "api_error"),
    (UpstreamTimeout("late.", error_type="header_timeout"), 504, "timeout_error"),
    (Internal(), 500, "api_error"),
    (ShuttingDown(), 503, "api_error"),
]


@pytest.mark.parametrize(("error", "status", "kind"), ERRORS)
def test_anthropic_clients_get_anthropics_error_shape(error: RelayError, status: int, kind: str) -> None:
    body = json.loads(error_body(error, "anthropic", "px_1"))
    assert error.status == status
    assert body == {
        "type": "error",
        "error": {"type": kind, "message": f"anthropic-proxy: {error}"},
        "request_id": "px_1",
    }


def test_openai_clients_get_openais_error_shape() -> None:
    error = UpstreamUnreachable("gone.", error_type="dns")
    assert json.loads(error_body(error, "openai", "px_1")) == {
        "error": {"message": "anthropic-proxy: gone.", "type": "server_error", "param": None, "code": "dns"}
    }


def test_a_connection_with_unread_bytes_is_closed() -> None:
    error = Rejected("no.", status=400, error_type="invalid_request_error")
    headers = error_headers(error, b"{}", "px_1", keep_open=False)
    assert (b"connection", b"close") in headers
    assert (b"x-proxy-error", b"invalid_request_error") in headers
    assert (b"connection", b"close") not in error_headers(error, b"{}", "px_1", keep_open=True)
