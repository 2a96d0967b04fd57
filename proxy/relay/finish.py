"""From a capture to the changes that the ledger is told: reading, identity, redaction, outcome.

Pure but for its counters. Everything here runs in the recorder thread, never in the event loop.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import chain

import msgspec

from proxy.exchange import Exchange, Headers, Hop, Outcome
from proxy.ledger.changes import Arrived, Finished, Opened
from proxy.reading import caller, ratelimit
from proxy.reading.estimate import with_estimate
from proxy.reading.facts import ResponseFacts
from proxy.reading.redaction.redactor import Redactor
from proxy.reading.redaction.scan import Scanner
from proxy.relay.asking import Requests
from proxy.relay.attempts import answer_id, with_answer
from proxy.relay.capture import Capture, Said
from proxy.relay.headers import first
from proxy.relay.masking import masked, texts, without_texts
from proxy.relay.outcome import Ended, outcome
from proxy.relay.parts import Parts, Readings, Try
from proxy.relay.stored import (
    Stored,
    body_of,
    capture_reasons,
    encoding,
    headers_by_hop,
    of_every_hop,
    stored_bodies,
)
from proxy.settings.shape import Capture as CaptureLimits

log = logging.getLogger(__name__)

UNKEPT = {"all": None, "errors": "interrupted", "none": "off"}
"""Why an open row has no request body: that of `errors` waits in memory for the outcome, and dies with the process."""
NO_READINGS: Readings = ((), ())


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
        self._parts = parts or Parts()
        self._try = Try(read_failed)
        self._requests = Requests(
            process=process,
            salt=salt,
            scanner=Scanner({name: rule.pattern for name, rule in capture.redact.items()}),
            parts=self._parts,
            trying=self._try,
        )
        self._bodies = capture.bodies

    def opened(self, capture: Capture) -> Opened | None:
        """The row of a request under way, with what it asks for once that has arrived.

        None for a request that is over: of what is committed together its whole record is made first.
        """
        if capture.made:
            return None
        request, kept = self._requests, UNKEPT[capture.keeping(self._bodies)]
        accepted = request.accepted(capture)
        if capture.upload_complete:
            exchange = Exchange(**accepted, **request.asked(capture).said, request_capture=kept)
        else:
            exchange = Exchange(**accepted, request_capture=kept)
        return Opened(self._masked(exchange, request.redactor(capture)))

    def arrived(self, capture: Capture) -> Arrived | None:
        """The request body, stored before the end so that an interrupted request still has it; None as above."""
        if capture.made:
            return None
        coding, redactor = encoding(capture.headers), self._requests.redactor(capture)
        turn = self._requests.turn(capture)
        body, _ = body_of(capture.request, coding, redactor, kept=True, failed=self._try.failed, turn=turn)
        return Arrived(capture.request_id, body)

    def finished(self, capture: Capture) -> Finished:
        """The whole record of a request that is over."""
        self._requests.turn(capture)
        fields = headers_by_hop(capture)
        redactor = self._requests.redactor(capture)
        response = self._response(capture)
        ended = outcome(capture, response)
        failed = ended["outcome"] is not Outcome.OK
        keeping = capture.keeping(self._bodies)
        kept = keeping == "all" or (keeping == "errors" and failed)
        stored = stored_bodies(capture, redactor, kept=kept, failed=self._try.failed, torn=failed)
        exchange = self._exchange(capture, fields, response, ended, stored)
        clean = self._try(lambda: redactor.look(chain.from_iterable(fields.values()), texts(exchange)), False)
        headers_kept: Mapping[Hop, Headers] = self._try(
            lambda: of_every_hop(lambda each: redactor.headers(each, stored.found), fields), {}
        )
        exchange = exchange if clean else self._masked(exchange, redactor, stored.found)
        if stored.found:
            counts = msgspec.json.encode(stored.found, order="sorted").decode()
            exchange = replace(exchange, redactions=counts)
        if capture.turn is not None:
            capture.turn.before = None
        capture.made = True
        return Finished(exchange=exchange, headers=headers_kept, bodies=stored.bodies, chunks=stored.chunks)

    def _masked(self, exchange: Exchange, redactor: Redactor, found: Counter[str] | None = None) -> Exchange:
        return self._try(lambda: masked(exchange, redactor, found), None) or without_texts(exchange)

    def _response(self, capture: Capture) -> ResponseFacts:
        if capture.reader is None:
            if capture.read_error is not None:
                self._try.failed()
            return ResponseFacts(parse_error=capture.read_error)
        try:
            facts = capture.reader.end()
        except Exception as exc:
            log.exception("reading the answer to %s failed", capture.request_id)
            self._try.failed()
            return ResponseFacts(parse_error=type(exc).__name__)
        return facts if facts.complete is not False else self._try(lambda: _estimated(capture, facts), facts)

    def _exchange(
        self,
        capture: Capture,
        fields: Mapping[Hop, Headers],
        response: ResponseFacts,
        ended: Ended,
        stored: Stored,
    ) -> Exchange:
        asked, sent, answer, times = self._requests.asked(capture), stored.sent, stored.answer, capture.times
        upstream_headers = fields.get(Hop.UPSTREAM_RESPONSE, ())
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
        accepted = self._requests.accepted(capture, stored.found)
        accepted["billing"] = accepted["billing"] or ("subscription" if windows else "pay_as_you_go")
        said: Said = {**asked.said, "parse_error": asked.said["parse_error"] or response.parse_error}
        ratelimits = ratelimit.ratelimit_headers(upstream_headers)
        return Exchange(
            **accepted,
            **said,
            **ended,
            **capture_reasons(stored.bodies),
            received_ms=times.received_ms,
            sent_ms=times.sent_ms,
            connect_ms=times.connect_ms,
            headers_ms=times.headers_ms,
            first_byte_ms=times.first_byte_ms,
            first_sent_ms=times.first_sent_ms,
            last_byte_ms=times.last_byte_ms,
            duration_ms=times.duration_ms,
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
