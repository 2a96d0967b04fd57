"""What became of a delivery, whichever protocol it went by."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from proxy.observer.text import printable


class Signal(Enum):
    """What is delivered; the value is the name of its cursor."""

    METRICS = "metrics"
    LOGS = "logs"
    SPANS = "spans"


class Verdict(Enum):
    """What a reply means for a batch."""

    DELIVERED = "delivered"
    AGAIN = "again"
    """Unreachable, busy or broken: keep the batch and try again."""
    REFUSED = "refused"
    """The contents are refused: smaller batches, then without the record."""
    MISCONFIGURED = "misconfigured"
    """Somebody has to do something about endpoint or credentials: keep the batch and try again slowly."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of one delivery."""

    verdict: Verdict
    said: str = ""
    """For people: status or error, and what the receiver wrote."""
    status: int | None = None
    """None: no answer."""
    retry_after: float | None = None
    """Seconds the receiver asks for."""
    rejected: int = 0
    """Records of a delivered batch that the receiver did not take."""
    untaken: bool = False
    """The receiver has certainly taken nothing; without it a failure leaves that open."""


Response = ExportMetricsServiceResponse | ExportLogsServiceResponse | ExportTraceServiceResponse
RESPONSES: dict[Signal, type[Response]] = {
    Signal.METRICS: ExportMetricsServiceResponse,
    Signal.LOGS: ExportLogsServiceResponse,
    Signal.SPANS: ExportTraceServiceResponse,
}
_REJECTED = {
    Signal.METRICS: "rejected_data_points",
    Signal.LOGS: "rejected_log_records",
    Signal.SPANS: "rejected_spans",
}


def taken(signal: Signal, message: Response, status: int | None) -> Reply:
    """A batch that was delivered, but for the records that `message` says were not taken."""
    partial = message.partial_success
    rejected = max(0, int(getattr(partial, _REJECTED[signal])))
    return Reply(Verdict.DELIVERED, printable(partial.error_message, 300), status, rejected=rejected)
