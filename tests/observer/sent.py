"""Log records and spans as a receiver reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from opentelemetry.proto.logs.v1 import logs_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

from proxy.observer.wire import Kind, Severity
from tests.receiver import values

Value = str | bool | int | float | tuple[str, ...]
_REMOTE = trace_pb2.SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK


class Log(NamedTuple):
    """One log record."""

    time_ns: int
    severity: Severity
    body: str
    attributes: dict[str, Value]
    trace_id: int
    span_id: int


class Span(NamedTuple):
    """One span."""

    trace_id: int
    span_id: int
    parent_id: int | None
    parent_is_remote: bool
    name: str
    kind: Kind
    start_ns: int
    end_ns: int
    attributes: dict[str, Value]
    events: tuple[tuple[str, int], ...]
    failed: bool
    failure: str | None


def log(item: bytes) -> Log:
    """The one record of an item."""
    (one,) = logs_pb2.ScopeLogs.FromString(item).log_records
    assert one.time_unix_nano == one.observed_time_unix_nano
    severity = Severity(one.severity_number)
    assert severity.name == one.severity_text
    ids = _number(one.trace_id, 16), _number(one.span_id, 8)
    return Log(one.time_unix_nano, severity, one.body.string_value, _plain(values(one.attributes)), *ids)


def span(item: bytes) -> Span:
    """The one span of an item."""
    (one,) = trace_pb2.ScopeSpans.FromString(item).spans
    return Span(
        trace_id=_number(one.trace_id, 16),
        span_id=_number(one.span_id, 8),
        parent_id=_number(one.parent_span_id, 8) if one.parent_span_id else None,
        parent_is_remote=bool(one.flags & _REMOTE),
        name=one.name,
        kind=Kind[trace_pb2.Span.SpanKind.Name(one.kind).removeprefix("SPAN_KIND_")],
        start_ns=one.start_time_unix_nano,
        end_ns=one.end_time_unix_nano,
        attributes=_plain(values(one.attributes)),
        events=tuple((event.name, event.time_unix_nano) for event in one.events),
        failed=one.status.code == trace_pb2.Status.STATUS_CODE_ERROR,
        failure=one.status.message or None,
    )


def _number(data: bytes, size: int) -> int:
    assert len(data) == size
    return int.from_bytes(data, "big")


def _plain(found: Mapping[str, object]) -> dict[str, Value]:
    plain: dict[str, Value] = {}
    for name, value in found.items():
        assert value is not None
        plain[name] = tuple(map(str, value)) if isinstance(value, list) else value  # type: ignore[assignment]
    return plain
