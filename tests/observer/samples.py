"""Exchanges with fixed ids and clocks, a ledger to put them into by its recorder, and an observer over it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from benchmarks.exchanges import SECOND_NS as SECOND_NS
from benchmarks.exchanges import START_NS as START_NS
from benchmarks.exchanges import attempt as attempt
from benchmarks.exchanges import exchange as exchange
from benchmarks.exchanges import request_id as request_id
from proxy.exchange import Exchange, Outcome, Usage, UsageSource, WindowReading
from proxy.ledger import cursors
from proxy.ledger.changes import Change, Finished
from proxy.ledger.connect import reader
from proxy.ledger.counters import Counters
from proxy.ledger.folder import Folder, prepare
from proxy.ledger.processes import hold
from proxy.ledger.recorder import Recorder
from proxy.observer.delivery.sending import Pace
from proxy.observer.loop import Observer
from proxy.settings.otlp import Exporter, Otlp
from proxy.settings.shape import Retention
from tests.receiver import Receiver, values

PAGES = "http://127.0.0.1:8081/requests/"
FAST = Pace(first=0.02, most=0.05, slow=0.1, asked=0.3)
WINDOWS = (WindowReading("acme", "5h", 37.5, 1_795_010_000, "allowed"),)


def refused(number: int = 1) -> Exchange:
    """A 429 of the provider."""
    message = "This request would exceed your limit: it was not completed, an upstream error"
    return replace(
        exchange(number),
        outcome=Outcome.UPSTREAM_ERROR,
        status=429,
        response_model=None,
        message_id=None,
        finish_reason=None,
        usage=Usage(),
        usage_source=UsageSource.NONE,
        error_type="rate_limit_error",
        error_message=message,
        first_token_ms=None,
        attempts=(replace(attempt(status=429, exchange=number), error_type="rate_limit_error", error_message=message),),
    )


def ledger(path: Path) -> Folder:
    """An empty ledger."""
    folder = Folder(path / "data")
    prepare(folder)
    return folder


def store(folder: Folder, exchanges: Sequence[Exchange], process: str = "relay-1") -> None:
    """Put finished exchanges into the ledger as a relay does: by a recorder that holds its lock."""
    counters = Counters.create(folder, process)
    with hold(folder, process):
        recorder = Recorder(folder, process, counters)
        recorder.start()
        for one in exchanges:
            recorder.put(_telling(Finished(one, chunks=((0, 105.0), (300, 405.0), (600, 905.0)))), 1)
        assert recorder.stop(10.0)
    counters.close()


def otlp(receiver: Receiver, *signals: str, timeout: float = 5.0, compression: str = "none") -> Otlp:
    """Exporters of these signals (metrics, logs, traces) to a receiver; all of them if none is named."""
    made = {
        signal: Exporter(f"{receiver.url}/v1/{signal}", timeout=timeout, compression=compression)
        for signal in signals or ("metrics", "logs", "traces")
    }
    return Otlp(metrics=made.get("metrics"), logs=made.get("logs"), traces=made.get("traces"))


def observer(folder: Folder, target: Otlp, *, interval_s: float = 0.05, retain_s: float = 1e9) -> Observer:
    """An observer that waits for nothing longer than a test likes to; not yet started."""
    return Observer(
        folder,
        target,
        Retention(bodies=retain_s, metadata=retain_s, reserve=4096),
        {"default": "acme"},
        metric_interval_s=interval_s,
        pages=PAGES,
        pace=FAST,
        poll_s=0.02,
        fold_s=0.05,
        patience_s=0.2,
    )


@contextmanager
def observing(folder: Folder, target: Otlp, **options: float) -> Iterator[Observer]:
    """A running observer."""
    one = observer(folder, target, **options)
    one.start()
    try:
        yield one
    finally:
        one.stop()


def messages(records: Iterable[LogRecord], kind: str = "completed") -> list[str]:
    """Request ids of the records of one kind, in order."""
    bodies = [json.loads(record.body.string_value) for record in records]
    return [str(body["request_id"]) for body in bodies if body["msg"] == kind]


def value(metrics: Iterable[Metric], name: str, **labels: str) -> float:
    """The newest value of a counter or gauge, summed over the series that have these labels."""
    return sum(
        point.as_int or point.as_double
        for metric in metrics
        if metric.name == name
        for point in (metric.sum if metric.HasField("sum") else metric.gauge).data_points
        if labels.items() <= values(point.attributes).items()
    )


def cursor(folder: Folder, name: str) -> int | None:
    """Where a signal stands."""
    with closing(reader(folder.ledger)) as conn:
        return cursors.get(conn, name)


def _telling(change: Change) -> Callable[[], Change]:
    return lambda: change
