"""What is recorded of one try to reach the upstream."""

from __future__ import annotations

from proxy.exchange import Attempt
from proxy.relay.capture import Capture
from proxy.relay.errors import RelayError, UpstreamTimeout, UpstreamUnreachable
from proxy.relay.ids import span_id
from proxy.relay.routes import Route
from proxy.relay.upstream import Connecting, Response


def tried(
    capture: Capture,
    route: Route,
    connecting: Connecting,
    started_ms: float,
    response: Response | None,
    error: RelayError | None,
) -> Attempt:
    """The attempt that has just ended with response headers, or without."""
    failed = error if isinstance(error, UpstreamUnreachable | UpstreamTimeout) else None
    stale = isinstance(failed, UpstreamUnreachable) and failed.stale
    now_ms, sent_ms = capture.now(), capture.times.sent_ms
    return Attempt(
        number=len(capture.attempts) + 1,
        upstream=route.upstream_name,
        server_address=route.server_address,
        server_port=route.server_port,
        span_id=span_id(),
        started_ms=started_ms,
        connect_ms=connecting.connect_ms,
        sent_ms=sent_ms if sent_ms is not None and sent_ms >= started_ms else None,  # else it is the one before's
        headers_ms=now_ms if response is not None else None,
        ended_ms=now_ms,
        status=None if response is None else response.status,
        error_type="stale_connection" if stale else failed.error_type if failed else None,
        error_message=_story(failed) if failed else None,
    )


def _story(failed: UpstreamUnreachable | UpstreamTimeout) -> str:
    """Why an attempt failed, with what the upstream said instead of HTTP: for the record, not for the caller."""
    heard = failed.heard if isinstance(failed, UpstreamUnreachable) else b""
    return f"{failed} It began with {heard!r}." if heard else str(failed)
