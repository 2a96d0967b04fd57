"""A proxy that tells a receiver, by either protocol, and what must have arrived there in the end."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import psutil
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from proxy.settings.otlp import GRPC, HTTP
from tests.end_to_end import signals
from tests.kit import laws
from tests.kit.process import Proxy, wait
from tests.kit.upstream import Script, Upstream
from tests.processes.load import Load, Streams
from tests.receiver import Received, Receiver, Reply, Taken, values
from tests.receiver_grpc import Answer, GrpcReceiver

QUICK = {"OTEL_METRIC_EXPORT_INTERVAL": "200", "OTEL_EXPORTER_OTLP_TIMEOUT": "1000"}
SIGNALS = ("logs", "traces", "metrics")
SHOWN = ("logs", "spans", "metrics")
"""The same as `/metrics` names them."""
Item = TypeVar("Item", LogRecord, Span)
K = TypeVar("K")


@contextmanager
def exporting(
    folder: Path, otlp: Receiver | GrpcReceiver, env: Mapping[str, str] | None = None, script: Script | None = None
) -> Iterator[Proxy]:
    """A proxy that sends to a receiver; the laws hold in the end."""
    with (
        Upstream(script=script or Streams()).running() as upstream,
        telling(Proxy(folder, upstream.url, env={**to(otlp), **(env or {})}), otlp) as proxy,
    ):
        yield proxy


@contextmanager
def telling(proxy: Proxy, otlp: Taken) -> Iterator[Proxy]:
    """Runs the proxy; the laws hold in the end."""
    with proxy.running():
        yield proxy
        laws.check(proxy, payloads=[one.body for one in otlp.received])


def to(otlp: Receiver | GrpcReceiver) -> dict[str, str]:
    """The variables of a proxy that tells of everything soon."""
    protocol = HTTP if isinstance(otlp, Receiver) else GRPC
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": otlp.url, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol, **QUICK}


def hang(otlp: Receiver | GrpcReceiver, *, hanging: bool) -> None:
    """Whether all signals are taken and never answered."""
    for kind in SIGNALS:
        if isinstance(otlp, Receiver):
            otlp.always(kind, Reply(hang=True) if hanging else None)
        else:
            otlp.always(kind, Answer(hang=True) if hanging else None)


def kill_on_next(otlp: Receiver, kind: str, proxy: Proxy) -> None:
    """Kills the observer in the middle of its next delivery of a kind; returns when the next one delivers."""
    killed = threading.Event()

    def judge(received: Received) -> Reply | None:
        if received.signal != kind or killed.is_set():
            return None
        killed.set()
        os.kill(proxy.pid("observer"), signal.SIGKILL)
        return Reply(drop=True)

    otlp.judge(judge)
    assert killed.wait(20)
    so_far = len(otlp.requests(kind))
    wait(lambda: len(otlp.requests(kind)) > so_far, f"{kind} to be sent by the next observer")


def passes(load: Load, seconds: float) -> None:
    """Requests go on all the while."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        settled = len(load.answered)
        wait(lambda n=settled: len(load.answered) > n, "requests to be answered")  # type: ignore[misc]


def memory(proxy: Proxy) -> dict[str, int]:
    """Resident bytes of relay and observer."""
    return {name: psutil.Process(proxy.pid(name)).memory_info().rss for name in ("relay", "observer")}


def health(proxy: Proxy, instrument: str) -> dict[str, float]:
    """One family of the health of exports by its only label."""
    shown = signals.scraped(proxy.metrics(), health=True)
    return {next(iter(own))[1]: value for (name, own), value in shown.items() if name == instrument and len(own) == 1}


def assert_all_told(proxy: Proxy, otlp: Taken, requests: int) -> None:
    """Every log and span arrived at least once, all copies are the same bytes, and the totals are exact."""
    ids = {row["request_id"] for row in proxy.finished(requests)}
    attempts = {row["span_id"] for row in proxy.rows("SELECT span_id FROM attempts")}
    servers = {row["span_id"] for row in proxy.rows("SELECT span_id FROM exchanges")}
    wait(lambda: {request_id for _, request_id in by_id(otlp.logs(), log_id)} >= ids, "every log", 60)
    wait(lambda: by_id(otlp.spans(), span_id).keys() >= attempts | servers, "every span", 60)
    wait(lambda: signals.differences(counted(proxy, otlp), signals.expected(proxy)) == [], "the totals", 60)
    completed = {request_id for kind, request_id in by_id(otlp.logs(), log_id) if kind == "completed"}
    assert completed == ids
    assert by_id(otlp.spans(), span_id).keys() == attempts | servers
    for copies in (*by_id(otlp.logs(), log_id).values(), *by_id(otlp.spans(), span_id).values()):
        assert len(set(copies)) == 1
    assert signals.differences(signals.scraped(proxy.metrics()), signals.received(otlp.metrics())) == []


def counted(proxy: Proxy, otlp: Taken) -> signals.Series:
    """What the last export says of what follows from the ledger."""
    names = {name for name, _ in signals.expected(proxy)}
    return {key: value for key, value in signals.received(otlp.metrics()).items() if key[0] in names}


def by_id(items: list[Item], identity: Callable[[Item], K]) -> dict[K, list[bytes]]:
    """The bytes of every copy that arrived."""
    found: defaultdict[K, list[bytes]] = defaultdict(list)
    for item in items:
        found[identity(item)].append(item.SerializeToString(deterministic=True))
    return dict(found)


def copies(items: list[Item], identity: Callable[[Item], K]) -> list[int]:
    """How often each item arrived."""
    return [len(each) for each in by_id(items, identity).values()]


def log_id(log: LogRecord) -> tuple[str, str]:
    """Kind and request."""
    kind = "completed" if '"msg":"completed"' in log.body.string_value else "upstream error"
    return kind, str(values(log.attributes)["request_id"])


def span_id(span: Span) -> str:
    """As the ledger has it."""
    return span.span_id.hex()
