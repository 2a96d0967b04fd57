"""What of a capture is stored: bodies and headers per hop, with the caller's secrets masked in bodies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from proxy.exchange import Headers, Hop
from proxy.ledger.changes import Body
from proxy.reading.redact import Redactor
from proxy.relay import headers
from proxy.relay.capture import Capture, Copy


def stored_bodies(capture: Capture, redactor: Redactor, *, kept: bool) -> Mapping[Hop, Body | Hop]:
    """What is stored of every body; a hop equal to its neighbour names it."""
    sent = body_of(capture.request, encoding(capture.headers), redactor, kept=kept)
    bodies: dict[Hop, Body | Hop] = {Hop.CLIENT_REQUEST: sent}
    if capture.attempts:
        bodies[Hop.UPSTREAM_REQUEST] = Hop.CLIENT_REQUEST
    if capture.upstream_headers:
        coding = encoding(capture.upstream_headers)
        bodies[Hop.UPSTREAM_RESPONSE] = body_of(capture.response, coding, redactor, kept=kept)
    if capture.own_answer is not None:
        own = Copy(len(capture.own_answer))
        own.add(capture.own_answer)
        bodies[Hop.CLIENT_RESPONSE] = body_of(own, None, redactor, kept=kept)
    elif capture.upstream_headers:
        bodies[Hop.CLIENT_RESPONSE] = Hop.UPSTREAM_RESPONSE
    return bodies


def body_of(copy: Copy, coding: str | None, redactor: Redactor, *, kept: bool) -> Body:
    """What is stored of a body: nothing, its head or all, with the caller's secrets masked."""
    reason = copy.dropped or (None if copy.whole else "too_large")
    if not kept or copy.dropped:
        return Body(chunks=(), size=copy.size, sha256=copy.sha256(), capture=reason or "off")
    data, masked = redactor.body(b"".join(copy.chunks), coding)
    if reason is not None:
        data = redactor.without_torn_secret(data)
    return Body(chunks=(data,), size=copy.size, sha256=copy.sha256(), capture=reason, redacted=masked)


def headers_by_hop(capture: Capture) -> dict[Hop, Headers]:
    """The header fields of every hop there was, as text, nothing masked yet."""
    by_hop: dict[Hop, Headers] = {Hop.CLIENT_REQUEST: request_headers(capture)}
    if capture.attempts:
        by_hop[Hop.UPSTREAM_REQUEST] = tuple(capture.sent_headers)
    if capture.upstream_headers:
        by_hop[Hop.UPSTREAM_RESPONSE] = headers.text(capture.upstream_headers)
    if capture.returned_headers:
        by_hop[Hop.CLIENT_RESPONSE] = headers.text(capture.returned_headers)
    return by_hop


def request_headers(capture: Capture) -> Headers:
    """The client's header fields as text, decoded once however many ask."""
    if capture.text is None:
        capture.text = headers.text(capture.headers)
    return capture.text


def capture_reasons(bodies: Mapping[Hop, Body | Hop]) -> dict[str, Any]:
    """Whether bodies are stored as they were on the wire, and why not."""
    answer = bodies.get(Hop.UPSTREAM_RESPONSE) or bodies.get(Hop.CLIENT_RESPONSE)
    return {
        "redacted": any(isinstance(body, Body) and body.redacted for body in bodies.values()),
        "request_capture": _reason(bodies.get(Hop.CLIENT_REQUEST)),
        "response_capture": _reason(answer),
    }


def encoding(fields: headers.RawHeaders) -> str | None:
    """The content coding that a message names."""
    value = headers.first(fields, b"content-encoding")
    return None if value is None else value.decode("latin-1")


def _reason(body: Body | Hop | None) -> str | None:
    return body.capture if isinstance(body, Body) else None
