"""Attempts as they are recorded; how they come about is in test_upstream and the fault suite."""

from __future__ import annotations

import pytest

from proxy.relay.attempts import tried
from proxy.relay.errors import ClientDisconnected, RelayError, UpstreamTimeout, UpstreamUnreachable
from proxy.relay.routes import Routes
from proxy.relay.upstream import Connecting
from proxy.settings.shape import Endpoint, Upstream
from tests.relay.test_finish import captured

ROUTE = Routes(
    {"default": Endpoint(upstreams=("anthropic",))}, {"anthropic": Upstream(url="https://api.test:8443/base")}
).find(b"/v1/messages")


@pytest.mark.parametrize(
    ("error", "error_type", "message"),
    [
        (UpstreamUnreachable("refused.", error_type="connect"), "connect", "refused."),
        (UpstreamUnreachable("lost.", error_type="reset", stale=True), "stale_connection", "lost."),
        (UpstreamTimeout("late.", error_type="header_timeout"), "header_timeout", "late."),
        (ClientDisconnected("gone."), None, None),
        (None, None, None),
    ],
)
def test_an_attempt_tells_where_it_went_and_why_it_failed(
    error: RelayError | None, error_type: str | None, message: str | None
) -> None:
    assert ROUTE is not None
    capture = captured()
    made = tried(capture, ROUTE, Connecting(), 1.0, None, error)
    assert (made.number, made.server_address, made.server_port) == (2, "api.test", 8443)
    assert (made.status, made.error_type, made.error_message, made.headers_ms) == (None, error_type, message, None)
    assert made.ended_ms is not None


@pytest.mark.parametrize(("started_ms", "sent_ms"), [(4.0, 5.0), (6.0, None)])
def test_an_attempt_that_sent_nothing_does_not_borrow_the_time_of_the_one_before(
    started_ms: float, sent_ms: float | None
) -> None:
    assert ROUTE is not None
    capture = captured()
    capture.times.sent_ms = 5.0
    error = UpstreamUnreachable("refused.", error_type="connect")
    assert tried(capture, ROUTE, Connecting(), started_ms, None, error).sent_ms == sent_ms
