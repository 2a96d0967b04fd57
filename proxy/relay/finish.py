"""From a capture to the changes that the ledger is told: reading, identity, redaction, outcome.

Pure but for its counters. Everything here runs in the recorder thread, never in the event loop.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain
from operator import attrgetter
from typing import Any, TypeVar

import msgspec

from proxy.exchange import Exchange, Headers, Hop, LimitReading, Outcome, WindowReading
from proxy.ledger.changes import Arrived, Finished, Opened
from proxy.reading import caller, ratelimit
from proxy.reading.estimate import with_estimate
from proxy.reading.facts import ResponseFacts
from proxy.reading.redaction.redactor import Redactor
from proxy.reading.redaction.scan import Scanner
from proxy.reading.request import RequestFacts, request_facts
from proxy.reading.turns import MAX_BODY, MIN_BODY, Turn, Turns
from proxy.relay.attempts import answer_id, with_answer
from proxy.relay.capture import Asked, Capture, Times
from proxy.relay.headers import first
from proxy.relay.masking import masked, texts, without_texts
from proxy.relay.outcome import outcome
from proxy.relay.stored import (
    Stored,
    body_of,
    capture_reasons,
    encoding,
    headers_by_hop,
    of_every_hop,
    request_headers,
    stored_bodies,
)
from proxy.settings.shape import Capture as CaptureLimits

log = logging.getLogger(__name__)
T = TypeVar("T")

CALLERS = 64
"""Callers whose masks are kept ready for their next request."""

UNKEPT = {"all": None, "errors": "interrupted", "none": "off"}
"""Why an open row has no request body: that of `errors` waits in memory for the outcome, and dies with the process."""
SAID = (
    *("session_id", "agent_id", "parent_agent_id", "client", "model", "stream", "parameters", "message_count"),
    *("tool_count", "image_count", "retry_count", "customer_data", "workflow", "parse_error"),
)
"""Facts of a request that stand in its record under the same name."""
_said = attrgetter(*SAID)
_times = attrgetter(*Times.__slots__)

Readings = tuple[tuple[WindowReading, ...], tuple[LimitReading, ...]]
NO_READINGS: Readings = ((), ())


@dataclass(frozen=True)
class Parts:
    """What reads and masks; a test gives parts that fail."""

    request_facts: Callable[..., RequestFacts] = request_facts
    readings: Callable[..., Readings] = ratelimit.readings
    redactor: Callable[[Iterable[str], bytes, Scanner], Redactor] = Redactor


class Finisher:
    """Makes the changes of one relay process."""

    def __init__(
        self,
        *,
        process: str,
        salt: bytes,
        capture: CaptureLimits,
        read_failed: Callable[[], None],
        parts: Parts | None = None,
    ) -> None:
        self._process = process
        self._salt = salt
        self._parts = parts or Parts()
        self._scanner = Scanner({name: rule.pattern for name, rule in capture.redact.items()})
        self._redactors = lru_cache(CALLERS)(lambda secrets: self._parts.redactor(secrets, salt, self._scanner))
        self._bodies = capture.bodies
        self._turns = Turns()
        self._read_failed = read_failed

    def opened(self, capture: Capture) -> Opened | None:
        """The row of a request under way, with what it asks for once that has arrived.

        None when its whole record is in the same group: the recorder makes the last first.
        """
        if capture.told:
            return None
        said = self._asked(capture).said if capture.upload_complete else {}
        known = {**self._accepted(capture), **said, "request_capture": UNKEPT[capture.keeping(self._bodies)]}
        return Opened(self._masked(Exchange(**known), self._redactor(capture)))

    def arrived(self, capture: Capture) -> Arrived | None:
        """The request body, stored before the end so that an interrupted request still has it; None as above."""
        if capture.told:
            return None
        coding, redactor = encoding(capture.headers), self._redactor(capture)
        turn = self._turn(capture)
        body, _ = body_of(capture.request, coding, redactor, kept=True, failed=self._read_failed, turn=turn)
        return Arrived(capture.request_id, body)

    def finished(self, capture: Capture) -> Finished:
        """The whole record of a request that is over."""
        self._turn(capture)
        told = headers_by_hop(capture)
        redactor = self._redactor(capture)
        response = self._response(capture)
        ended = outcome(capture, response)
        failed = ended["outcome"] is not Outcome.OK
        keeping = capture.keeping(self._bodies)
        kept = keeping == "all" or (keeping == "errors" and failed)
        stored = stored_bodies(capture, redactor, kept=kept, failed=self._read_failed, torn=failed)
        exchange = self._exchange(capture, told, response, ended, stored)
        clean = self._try(lambda: redactor.look(chain.from_iterable(told.values()), texts(exchange)), False)
        headers_kept: Mapping[Hop, Headers] = self._try(
            lambda: of_every_hop(lambda fields: redactor.headers(fields, stored.found), told), {}
        )
        exchange = exchange if clean else self._masked(exchange, redactor, stored.found)
        if stored.found:
            counts = msgspec.json.encode(stored.found, order="sorted").decode()
            exchange = replace(exchange, redactions=counts)
        if capture.turn is not None:
            capture.turn.before = None
        capture.told = True
        return Finished(exchange=exchange, headers=headers_kept, bodies=stored.bodies, chunks=stored.chunks)

    def _try(self, step: Callable[[], T], otherwise: T) -> T:
        """What a step makes; if it fails, that is counted and costs what it would have made, not the record."""
        try:
            return step()
        except Exception:
            log.exception("part of a record could not be made")
            self._read_failed()
            return otherwise

    def _masked(self, exchange: Exchange, redactor: Redactor, found: Counter[str] | None = None) -> Exchange:
        return self._try(lambda: masked(exchange, redactor, found), None) or without_texts(exchange)

    def _redactor(self, capture: Capture) -> Redactor:
        if capture.redactor is None:
            secrets = caller.secrets(request_headers(capture), capture.query.decode("latin-1"))
            capture.redactor = self._redactors(secrets)
        return capture.redactor

    def _turn(self, capture: Capture) -> Turn | None:
        """What is known of the request's body, once it is here."""
        request, here = capture.request, capture.upload_complete or capture.over
        if capture.turn is None and here and MIN_BODY <= request.size <= MAX_BODY and request.whole:
            capture.turn = self._try(lambda: self._turns.next(request.joined()), None)
        return capture.turn

    def _accepted(self, capture: Capture, found: Counter[str] | None = None) -> dict[str, Any]:
        """What is known at accept, as fields of the record."""
        endpoint = capture.endpoint
        query, redactor = capture.query.decode("latin-1"), self._redactor(capture)
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

    def _asked(self, capture: Capture) -> Asked:
        """What the request says of itself; read once."""
        if capture.asked is None:
            fields = request_headers(capture)
            facts = self._try(
                lambda: self._parts.request_facts(
                    method=capture.method,
                    path=(capture.target or _path(capture)).partition("?")[0],
                    headers=fields,
                    body=capture.request.joined() if capture.request.whole else None,
                    content_encoding=encoding(capture.headers),
                    turn=self._turn(capture),
                ),
                RequestFacts(parse_error="internal"),
            )
            said: dict[str, Any] = dict(zip(SAID, _said(facts), strict=True))
            said["key"] = caller.caller_key(fields, facts.account_uuid, self._salt)
            if capture.endpoint and not facts.workflow:
                said["workflow"] = capture.endpoint.workflow
            capture.asked = Asked(said, facts.account_uuid)
        return capture.asked

    def _response(self, capture: Capture) -> ResponseFacts:
        if capture.reader is None:
            if capture.read_error is not None:
                self._read_failed()
            return ResponseFacts(parse_error=capture.read_error)
        try:
            facts = capture.reader.end()
        except Exception as exc:
            log.exception("reading the answer to %s failed", capture.request_id)
            self._read_failed()
            return ResponseFacts(parse_error=type(exc).__name__)
        return facts if facts.complete is not False else self._try(lambda: _estimated(capture, facts), facts)

    def _exchange(
        self,
        capture: Capture,
        told: Mapping[Hop, Headers],
        response: ResponseFacts,
        ended: dict[str, Any],
        stored: Stored,
    ) -> Exchange:
        asked, sent, answer = self._asked(capture), stored.sent, stored.answer
        upstream_headers = told.get(Hop.UPSTREAM_RESPONSE, ())
        by_name = {name.lower(): value for name, value in upstream_headers}
        organization = by_name.get("anthropic-organization-id") or by_name.get("openai-organization")
        account = caller.account(
            credential=None,
            organization_id=organization,
            account_uuid=asked.account_uuid,
            key=asked.said["key"],
        )
        windows, limits = self._try(
            lambda: self._parts.readings(upstream_headers, account, _answered_at(capture)), NO_READINGS
        )
        known = {**self._accepted(capture, stored.found), **asked.said, **ended, **capture_reasons(stored.bodies)}
        known["billing"] = known["billing"] or ("subscription" if windows else "pay_as_you_go")
        known["parse_error"] = known["parse_error"] or response.parse_error
        ratelimits = ratelimit.ratelimit_headers(upstream_headers)
        return Exchange(
            **known,
            **dict(zip(Times.__slots__, _times(capture.times), strict=True)),
            account=account,
            response_model=response.model,
            status=capture.status,
            finish_reason=response.finish_reason,
            calls_tool=response.calls_tool,
            upstream_request_id=answer_id(by_name) or response.upstream_request_id,
            message_id=response.message_id,
            upstream_organization_id=organization,
            upstream_workspace_id=by_name.get("anthropic-workspace-id"),
            usage=response.usage,
            usage_source=response.usage_source,
            output_tokens_estimated=response.output_tokens_estimated,
            first_token_ms=response.first_token_ms,
            request_bytes=sent.size,
            request_sha256=sent.sha256,
            response_bytes=answer.size if answer else None,
            response_sha256=answer.sha256 if answer else None,
            delivered_bytes=capture.delivered,
            attempts=with_answer(capture, by_name, ratelimits, response, ended["error_message"]),
            windows=windows,
            limits=limits,
        )


def _estimated(capture: Capture, facts: ResponseFacts) -> ResponseFacts:
    """The facts of a stream that broke, with what it brought by estimate."""
    if not capture.response.whole:
        return facts
    fields = capture.upstream_headers or ()
    content_type = first(fields, b"content-type") or b""
    return with_estimate(
        facts,
        capture.response.joined(),
        content_type.decode("latin-1"),
        encoding(fields),
        operation=capture.operation,
        dialect=capture.dialect,
    )


def _answered_at(capture: Capture) -> float:
    """When the answer began, Unix seconds: what it says of time that is left counts from here."""
    return capture.started_ns / 1_000_000_000 + (capture.times.headers_ms or 0.0) / 1000


def _path(capture: Capture) -> str:
    return capture.raw_path.decode("latin-1")
