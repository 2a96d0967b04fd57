"""What is written by hand is what the SDK's encoder writes of the same record."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal

import pytest
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from proxy.exchange import Exchange, Outcome, Usage
from proxy.ledger.costs import Cost
from proxy.ledger.journal import JournalRow
from proxy.observer import logs, spans, wire
from tests.observer import sent
from tests.observer.samples import attempt, exchange, refused, request_id

RESOURCE = {"service.name": "anthropic-proxy", "deployment.environment.name": "tést", "empty": ""}
SCOPE = "anthropic-proxy"
ROW = JournalRow(7, 1_795_000_009_123_456_789, "finished", request_id(1))
COST = Cost("v1", Decimal("0.012072"))
BARE = Exchange(request_id(1), "relay-1", 1, "GET", "/", "default", outcome=Outcome.OK)
LONG = replace(
    refused(), error_message="ö" * 5_000, path="/" + "x" * 300, model="模型" * 90, parent_span_id=None, session_id=""
)
BIG = Usage(input_tokens=2**63 - 1, output_tokens=0, cache_read_tokens=127, cache_creation_tokens=128)
MANY = replace(exchange(), usage=BIG, attempts=tuple(attempt(number, status=529) for number in range(1, 9)))
EXCHANGES = (exchange(), refused(), BARE, LONG, MANY, replace(exchange(), outcome=Outcome.TRUNCATED, operation="x"))


def context(trace_id: int, span_id: int, *, remote: bool = False) -> SpanContext:
    return SpanContext(trace_id, span_id, is_remote=remote, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def sdk_log(one: sent.Log) -> ReadableLogRecord:
    record = LogRecord(
        timestamp=one.time_ns,
        observed_timestamp=one.time_ns,
        context=set_span_in_context(NonRecordingSpan(context(one.trace_id, one.span_id))),
        severity_text=one.severity.name,
        severity_number=SeverityNumber(one.severity.value),
        body=one.body,
        attributes=one.attributes,
    )
    return ReadableLogRecord(record, Resource(RESOURCE), InstrumentationScope(SCOPE))


def sdk_span(one: sent.Span) -> ReadableSpan:
    return ReadableSpan(
        name=one.name,
        context=context(one.trace_id, one.span_id),
        parent=None if one.parent_id is None else context(one.trace_id, one.parent_id, remote=one.parent_is_remote),
        resource=Resource(RESOURCE),
        attributes=one.attributes,
        events=[Event(name, timestamp=time_ns) for name, time_ns in one.events],
        kind=SpanKind[one.kind.name],
        status=Status(StatusCode.ERROR, one.failure) if one.failed else Status(StatusCode.UNSET),
        start_time=one.start_ns,
        end_time=one.end_ns,
        instrumentation_scope=InstrumentationScope(SCOPE),
    )


@pytest.mark.parametrize("one", EXCHANGES, ids=range(len(EXCHANGES)))
@pytest.mark.parametrize("cost", [COST, None], ids=["priced", "unpriced"])
def test_log_records_are_the_bytes_of_the_sdk(one: Exchange, cost: Cost | None) -> None:
    found = logs.records(ROW, one, cost, "http://127.0.0.1:8081/requests/")
    written = wire.request(wire.resource(RESOURCE), wire.scope(SCOPE), found)
    assert written == encode_logs([sdk_log(sent.log(item)) for item in found]).SerializeToString()


@pytest.mark.parametrize("one", EXCHANGES, ids=range(len(EXCHANGES)))
@pytest.mark.parametrize("cost", [COST, None], ids=["priced", "unpriced"])
def test_spans_are_the_bytes_of_the_sdk(one: Exchange, cost: Cost | None) -> None:
    found = spans.spans(one, cost)
    written = wire.request(wire.resource(RESOURCE), wire.scope(SCOPE), found)
    assert written == encode_spans([sdk_span(sent.span(item)) for item in found]).SerializeToString()


@pytest.mark.parametrize(
    "value",
    [
        *(
            "",
            "ö",
            "x" * 127,
            "x" * 128,
            "x" * 20_000,
            True,
            False,
            0.0,
            -0.0,
            1.5,
            math.inf,
            (),
            ("a", ""),
            ("é" * 200,),
        ),
        *(0, -1, 127, 128, 2**14, 2**63 - 1, -(2**63), 2**63, -(2**63) - 1),
    ],
    ids=lambda value: repr(value)[:12],
)
def test_every_kind_of_value_is_written(value: wire.Value) -> None:
    """Integers beyond 64 bits, which OTLP does not have, are left out."""
    record = sent.Log(1, wire.Severity.WARN, "", {"a": value, "model": value, "k" * 100: value}, 2**128 - 1, 1)
    item = wire.log_record(
        time_ns=1,
        severity=record.severity,
        body=b"",
        attributes=b"".join(wire.attribute(wire.LOGGED, *pair) for pair in record.attributes.items()),
        trace_id=record.trace_id,
        span_id=record.span_id,
    )
    written = wire.request(wire.resource(RESOURCE), wire.scope(SCOPE), [item])
    assert written == encode_logs([sdk_log(record)]).SerializeToString()
