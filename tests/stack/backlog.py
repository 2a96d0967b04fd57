"""Hours of log records at once, as an observer sends them that catches up: in order, in batches, from one instance."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Sequence

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs, SeverityNumber
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from tests.receiver import PROTOBUF

_BATCH = 200
_ANSWER_SECONDS = 30
_SCOPE = InstrumentationScope(name="anthropic-proxy")


def spread(count: int, first_ns: int, last_ns: int) -> list[int]:
    """So many moments at even distances, both ends included."""
    return [first_ns + (last_ns - first_ns) * number // (count - 1) for number in range(count)]


def request_id(instance: str, number: int) -> str:
    """Id of the instance's record of that number, from 0."""
    return f"px_{instance}_{number:08}"


def feed(otlp: str, instance: str, times_ns: Sequence[int], *, model: str = "claude-sonnet-4-6") -> None:
    """One `completed` record at each of the times, sent to the collector at `http://host:port`.

    Record number n counts n input tokens. Raises urllib's HTTPError for a batch that is not taken.
    """
    records = [_record(instance, number, time_ns, model) for number, time_ns in enumerate(times_ns)]
    for start in range(0, len(records), _BATCH):
        scoped = ScopeLogs(scope=_SCOPE, log_records=records[start : start + _BATCH])
        batch = ExportLogsServiceRequest(resource_logs=[ResourceLogs(resource=identity(instance), scope_logs=[scoped])])
        post(f"{otlp}/v1/logs", batch.SerializeToString())


def identity(instance: str) -> Resource:
    """Who sends."""
    return Resource(attributes=[text("service.name", "anthropic-proxy"), text("service.instance.id", instance)])


def text(name: str, value: str) -> KeyValue:
    """One attribute."""
    return KeyValue(key=name, value=AnyValue(string_value=value))


def post(url: str, body: bytes) -> None:
    """One OTLP request. Raises HTTPError for any status that is no success."""
    request = urllib.request.Request(url, body, {"content-type": PROTOBUF})
    with urllib.request.urlopen(request, timeout=_ANSWER_SECONDS) as response:
        response.read()


def _record(instance: str, number: int, time_ns: int, model: str) -> LogRecord:
    fields = {"request_id": request_id(instance, number), "model": model, "outcome": "ok"}
    attributes = [text(name, value) for name, value in fields.items()]
    attributes.append(KeyValue(key="input_tokens", value=AnyValue(int_value=number)))
    body = json.dumps({"msg": "completed", **fields, "input_tokens": number}, separators=(",", ":"))
    return LogRecord(
        time_unix_nano=time_ns,
        observed_time_unix_nano=time_ns,
        severity_number=SeverityNumber.SEVERITY_NUMBER_INFO,
        severity_text="INFO",
        body=AnyValue(string_value=body),
        attributes=attributes,
    )
