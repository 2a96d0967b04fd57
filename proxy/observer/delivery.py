"""Delivery of one signal: the SDK's OTLP/HTTP exporter called directly, with an exact answer for every batch."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypedDict, TypeVar

from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.metrics.export import MetricsData
from opentelemetry.sdk.trace import ReadableSpan

from proxy.observer.session import OtlpSession, Reply, Signal, Verdict
from proxy.settings.otlp import Exporter

MOST_BYTES = 4 * 1024 * 1024
"""Of one request, before compression; receivers commonly refuse more."""
_SDK_LOGGER = "opentelemetry.exporter.otlp.proto.http"

Batch = TypeVar("Batch", contravariant=True)


class Sender(Protocol[Batch]):
    """What delivers batches of one kind. Used by one thread; `abort` by any."""

    def send(self, batch: Batch) -> Reply:
        """Deliver once; never raises for anything a receiver does."""

    def abort(self) -> None:
        """End what is on its way."""


class Delivery(Sender[Batch]):
    """Calls an exporter and takes the answer from its session."""

    def __init__(self, session: OtlpSession, export: Callable[[Batch], object]) -> None:
        self._session = session
        self._export = export
        # Its lines would repeat with every try; what has to be said is said by Complaints.
        logging.getLogger(_SDK_LOGGER).setLevel(logging.CRITICAL)

    def send(self, batch: Batch) -> Reply:
        """Deliver once. What cannot be encoded or is too large is refused without being sent."""
        self._session.reply = None
        self._export(batch)
        return self._session.reply or Reply(Verdict.REFUSED, "not sent: too large or not encodable")

    def abort(self) -> None:
        """End what is on its way."""
        self._session.abort()


class SendingThread(ABC):
    """The life of a thread that sends one signal until it is told to stop."""

    def __init__(self, name: str, abort: Callable[[], None]) -> None:
        """`abort` breaks off what is on its way."""
        self._abort = abort
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @abstractmethod
    def _run(self) -> None:
        """Send, and once more after `_stop` was set."""

    def start(self) -> None:
        """Start the thread, after any fork."""
        self._thread.start()

    def stop(self) -> None:
        """Send what waits, once, and end. Returns at once; `join` waits."""
        self._stop.set()

    def abort(self) -> None:
        """Break off what is on its way; it stays pending."""
        self._abort()

    def join(self, timeout: float) -> bool:
        """Wait for the end; False when it has not come within `timeout` seconds."""
        self._thread.join(timeout)
        return not self._thread.is_alive()


class _Options(TypedDict):
    """What all three exporters are told."""

    endpoint: str
    certificate_file: str | None
    client_key_file: str | None
    client_certificate_file: str | None
    headers: dict[str, str]
    timeout: float
    compression: Compression
    max_request_size: int


def log_delivery(target: Exporter) -> Delivery[Sequence[ReadableLogRecord]]:
    """Delivers log records."""
    session = OtlpSession(Signal.LOGS)
    return Delivery(session, OTLPLogExporter(session=session, **_options(target)).export)


def span_delivery(target: Exporter) -> Delivery[Sequence[ReadableSpan]]:
    """Delivers spans."""
    session = OtlpSession(Signal.SPANS)
    return Delivery(session, OTLPSpanExporter(session=session, **_options(target)).export)


def metric_delivery(target: Exporter) -> Delivery[MetricsData]:
    """Delivers metrics."""
    session = OtlpSession(Signal.METRICS)
    return Delivery(session, OTLPMetricExporter(session=session, **_options(target)).export)


@dataclass(frozen=True, slots=True)
class Pace:
    """How long to wait after failures, in seconds."""

    first: float = 1.0
    most: float = 30.0
    slow: float = 60.0
    """When somebody has to mend endpoint or credentials first."""
    asked: float = 600.0
    """The longest wait that a receiver can ask for."""

    def wait(self, reply: Reply, failures: int) -> float:
        """How long after this reply, the `failures`-th in a row."""
        if reply.verdict is Verdict.MISCONFIGURED:
            own = self.slow
        else:
            own = min(self.most, self.first * 2 ** min(failures - 1, 20))
        return max(own, min(reply.retry_after or 0.0, self.asked))


def _options(target: Exporter) -> _Options:
    return _Options(
        endpoint=target.endpoint,
        certificate_file=target.certificate,
        client_key_file=target.client_key,
        client_certificate_file=target.client_certificate,
        headers=target.headers,
        timeout=target.timeout,
        compression=Compression.Gzip if target.compression == "gzip" else Compression.NoCompression,
        max_request_size=MOST_BYTES,
    )
