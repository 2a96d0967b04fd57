"""What is known of a request without its answer: at accept, and what it says of itself; each read once."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from typing import TypedDict

from proxy.reading import caller
from proxy.reading.redaction.redactor import Redactor
from proxy.reading.redaction.scan import Scanner
from proxy.reading.request import RequestFacts
from proxy.reading.turns import MAX_BODY, MIN_BODY, Turn, Turns
from proxy.relay.capture import Asked, Capture, Said
from proxy.relay.parts import Parts, Try
from proxy.relay.stored import encoding, request_headers

CALLERS = 64
"""Callers whose masks are kept ready for their next request."""


class Accepted(TypedDict):
    """What is known at accept, as fields of the record."""

    request_id: str
    process: str
    started_ns: int
    method: str
    path: str
    query: str | None
    endpoint: str
    organization: str | None
    billing: str | None
    upstream: str | None
    dialect: str | None
    provider: str | None
    operation: str
    trace_id: str
    span_id: str
    parent_span_id: str | None


class Requests:
    """Reads the requests of one relay process, in the recorder thread."""

    def __init__(self, *, process: str, salt: bytes, scanner: Scanner, parts: Parts, trying: Try) -> None:
        self._process = process
        self._salt = salt
        self._parts = parts
        self._try = trying
        self._redactors = lru_cache(CALLERS)(lambda secrets: parts.redactor(secrets, salt, scanner))
        self._turns = Turns()

    def redactor(self, capture: Capture) -> Redactor:
        """What masks the caller's own credentials beside all other secrets."""
        if capture.redactor is None:
            secrets = caller.secrets(request_headers(capture), capture.query.decode("latin-1"))
            capture.redactor = self._redactors(secrets)
        return capture.redactor

    def turn(self, capture: Capture) -> Turn | None:
        """What is known of the request's body, once it is here."""
        request, here = capture.request, capture.upload_complete or capture.over
        if capture.turn is None and here and MIN_BODY <= request.size <= MAX_BODY and request.whole:
            capture.turn = self._try(lambda: self._turns.next(request.joined()), None)
        return capture.turn

    def accepted(self, capture: Capture, found: Counter[str] | None = None) -> Accepted:
        """What is known at accept; `found` counts what is masked in it."""
        endpoint = capture.endpoint
        query, redactor = capture.query.decode("latin-1"), self.redactor(capture)
        return {
            "request_id": capture.request_id,
            "process": self._process,
            "started_ns": capture.started_ns,
            "method": capture.method[:32],
            "path": _path(capture),
            "query": self._try(lambda: redactor.query(query, found), "") or None,
            "endpoint": capture.endpoint_name or "none",
            "organization": endpoint.organization if endpoint else None,
            "billing": endpoint.billing if endpoint else None,
            "upstream": capture.upstream,
            "dialect": capture.dialect,
            "provider": capture.dialect,
            "operation": capture.operation,
            "trace_id": capture.trace_id,
            "span_id": capture.span_id,
            "parent_span_id": capture.parent_span_id,
        }

    def asked(self, capture: Capture) -> Asked:
        """What the request says of itself."""
        if capture.asked is None:
            capture.asked = self._asked(capture)
        return capture.asked

    def _asked(self, capture: Capture) -> Asked:
        fields = request_headers(capture)
        facts = self._try(
            lambda: self._parts.request_facts(
                method=capture.method,
                path=(capture.target or _path(capture)).partition("?")[0],
                headers=fields,
                body=capture.request.joined() if capture.request.whole else None,
                content_encoding=encoding(capture.headers),
                turn=self.turn(capture),
            ),
            RequestFacts(parse_error="internal"),
        )
        said: Said = {
            "session_id": facts.session_id,
            "agent_id": facts.agent_id,
            "parent_agent_id": facts.parent_agent_id,
            "client": facts.client,
            "model": facts.model,
            "stream": facts.stream,
            "parameters": facts.parameters,
            "message_count": facts.message_count,
            "tool_count": facts.tool_count,
            "image_count": facts.image_count,
            "retry_count": facts.retry_count,
            "customer_data": facts.customer_data,
            "workflow": facts.workflow or (capture.endpoint.workflow if capture.endpoint else None),
            "parse_error": facts.parse_error,
            "key": caller.caller_key(fields, facts.account_uuid, self._salt),
        }
        return Asked(said, facts.account_uuid)


def _path(capture: Capture) -> str:
    return capture.raw_path.decode("latin-1")
