"""What is recorded of one try to reach the upstream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import msgspec

from proxy.exchange import Attempt
from proxy.reading.facts import ResponseFacts
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


def answer_id(by_name: Mapping[str, str]) -> str | None:
    """The provider's id of a request: Anthropic's `request-id`, others' `x-request-id`."""
    return by_name.get("request-id") or by_name.get("x-request-id")


def with_answer(
    capture: Capture,
    by_name: Mapping[str, str],
    limits: Mapping[str, str],
    response: ResponseFacts,
    error_message: str | None,
) -> tuple[Attempt, ...]:
    """The attempts, the last one with what its answer said."""
    last = capture.attempts[-1] if capture.attempts else None
    if last is None or last.status is None:
        return tuple(capture.attempts)
    failed = last.status >= 400
    answered = replace(
        last,
        upstream_request_id=answer_id(by_name),
        ratelimit=msgspec.json.encode(dict(limits)).decode() if limits else None,
        error_type=response.error_type or ("other" if failed else None),
        error_message=error_message if failed or response.error_type else None,
        ended_ms=capture.times.last_byte_ms or last.ended_ms,
    )
    return (*capture.attempts[:-1], answered)


def _story(failed: UpstreamUnreachable | UpstreamTimeout) -> str:
    """Why an attempt failed, with what the upstream said instead of HTTP: for the record, not for the caller."""
    heard = failed.heard if isinstance(failed, UpstreamUnreachable) else b""
    return f"{failed} It began with {heard!r}." if heard else str(failed)
