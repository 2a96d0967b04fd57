"""A sender with the metrics and log records of the telemetry contract, through the SDK's own exporters.

It stands in for the proxy where a test is about the servers and their configuration alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import CallbackOptions, Meter, Observation
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import SpanKind

_SCOPE = "anthropic-proxy"
_DURATION_MS = [50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 120_000, 300_000, 600_000]
_BYTES = [256 * 4**power for power in range(10)]
_ONLY_WHEN_TOLD = 3_600_000.0
"""Milliseconds between exports on the reader's own account: an hour, so that only `flush` exports."""


@dataclass(frozen=True)
class Call:
    """One exchange as far as the reference dashboard can tell."""

    model: str
    status: int
    input_tokens: int
    output_tokens: int
    stream: bool = True
    duration_ms: float = 900.0
    request_bytes: int = 20_000
    error_type: str = ""
    """"" for success."""


@dataclass
class Sender:
    """Records calls the way the contract says; `flush` exports the metrics, logs and spans go at once."""

    meters: MeterProvider
    loggers: LoggerProvider
    tracers: TracerProvider
    windows: Mapping[str, tuple[float, int]]
    """Window to (utilization 0-100, reset in unix seconds)."""
    sent: list[Call] = field(default_factory=list)

    def __post_init__(self) -> None:
        meter = self.meters.get_meter(_SCOPE)
        self._requests = meter.create_counter("proxy.request.count", "{request}")
        self._duration = meter.create_histogram(
            "proxy.request.duration_ms", "ms", explicit_bucket_boundaries_advisory=_DURATION_MS
        )
        self._body_size = meter.create_histogram(
            "proxy.request.body_size", "By", explicit_bucket_boundaries_advisory=_BYTES
        )
        self._tokens_input = meter.create_counter("proxy.tokens.input", "{token}")
        self._tokens_output = meter.create_counter("proxy.tokens.output", "{token}")
        self._errors = meter.create_counter("proxy.upstream.errors")
        self._cooldowns = meter.create_counter("proxy.credential.cooldowns")
        self._windows(meter)

    def call(self, call: Call) -> None:
        """One call: its metrics and log records inside its span, so that they carry the trace id."""
        labels = {"endpoint": "default", "model": call.model}
        with self.tracers.get_tracer(_SCOPE).start_as_current_span("messages", kind=SpanKind.SERVER):
            outcome = "upstream_error" if call.error_type else "ok"
            status: dict[str, str | int] = {
                "stream": call.stream,
                "status_code": call.status,
                "outcome": outcome,
                "operation": "messages",
            }
            self._requests.add(1, {**labels, **status})
            self._duration.record(call.duration_ms, {"endpoint": "default", "stream": call.stream, "outcome": outcome})
            self._body_size.record(call.request_bytes, {"endpoint": "default"})
            self._tokens_input.add(call.input_tokens, labels)
            self._tokens_output.add(call.output_tokens, labels)
            self._cooldowns.add(0, {"credential": "caller", "reason": "window_rejected"})
            if call.error_type:
                error: dict[str, str | int] = {
                    "error_type": call.error_type,
                    "status_code": call.status,
                    "endpoint": "default",
                }
                self._errors.add(1, error)
                self._log("upstream error", SeverityNumber.ERROR, call, error_message=f"{call.error_type} happened")
            self._log("completed", SeverityNumber.INFO, call, duration_ms=call.duration_ms, outcome=outcome)
        self.sent.append(call)

    def flush(self) -> None:
        """Exports the metrics as they are now."""
        if not self.meters.force_flush():
            raise RuntimeError("the collector did not take the metrics")

    def _log(self, message: str, severity: SeverityNumber, call: Call, **more: str | float) -> None:
        fields: dict[str, str | float] = {
            "model": call.model,
            "status": call.status,
            "input_tokens": call.input_tokens,
            "output_tokens": call.output_tokens,
            "request_id": f"px_{len(self.sent):026}",
            **more,
        }
        body = json.dumps({"msg": message, **fields}, separators=(",", ":"))
        record = LogRecord(severity_number=severity, severity_text=severity.name, body=body, attributes=fields)
        self.loggers.get_logger(_SCOPE).emit(record)

    def _windows(self, meter: Meter) -> None:
        def utilization(options: CallbackOptions) -> Iterator[Observation]:
            yield from (Observation(used, {"window": window}) for window, (used, _) in self.windows.items())

        def resets_at(options: CallbackOptions) -> Iterator[Observation]:
            yield from (Observation(reset, {"window": window}) for window, (_, reset) in self.windows.items())

        meter.create_observable_gauge("proxy.usage.utilization", [utilization])
        meter.create_observable_gauge("proxy.usage.resets_at", [resets_at])


@contextmanager
def sender(otlp: str, instance: str, windows: Mapping[str, tuple[float, int]]) -> Iterator[Sender]:
    """A sender to the collector at `http://host:port`, shut down at the end."""
    resource = Resource(
        {"service.name": "anthropic-proxy", "service.instance.id": instance, "deployment.environment.name": "test"}
    )
    exporter = OTLPMetricExporter(endpoint=f"{otlp}/v1/metrics")
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=_ONLY_WHEN_TOLD)
    meters = MeterProvider([reader], resource, shutdown_on_exit=False)
    loggers = LoggerProvider(resource, shutdown_on_exit=False)
    loggers.add_log_record_processor(SimpleLogRecordProcessor(OTLPLogExporter(endpoint=f"{otlp}/v1/logs")))
    tracers = TracerProvider(resource=resource, shutdown_on_exit=False)
    tracers.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(endpoint=f"{otlp}/v1/traces")))
    try:
        yield Sender(meters, loggers, tracers, windows)
    finally:
        meters.shutdown()
        loggers.shutdown()
        tracers.shutdown()
