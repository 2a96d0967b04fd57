"""Telemetry while its parts are missing: an observer that dies while it exports, a collector that is away."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import psutil
import pytest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.end_to_end import signals
from tests.kit import laws
from tests.kit.process import Proxy, wait
from tests.kit.upstream import Upstream
from tests.processes.load import Load, Streams
from tests.receiver import Received, Receiver, Reply, receiver, values

AWAY_S = 3.0
"""How long the collector refuses, and again how long it hangs."""
MOST_GROWTH = 40 << 20
"""Bytes of memory that nothing which is kept for later may add; generous, because interpreters breathe."""
QUICK = {"OTEL_METRIC_EXPORT_INTERVAL": "200", "OTEL_EXPORTER_OTLP_TIMEOUT": "1000"}
Item = TypeVar("Item", LogRecord, Span)
K = TypeVar("K")
SIGNALS = ("logs", "traces", "metrics")


@contextmanager
def exporting(folder: Path) -> Iterator[tuple[Proxy, Receiver]]:
    """A proxy that sends to a receiver; the laws hold in the end."""
    with Upstream(script=Streams()).running() as upstream, receiver() as otlp:
        proxy = Proxy(folder, upstream.url, env={"OTEL_EXPORTER_OTLP_ENDPOINT": otlp.url, **QUICK})
        with proxy.running():
            yield proxy, otlp
            laws.check(proxy, payloads=[one.body for one in otlp.received])


def test_an_observer_killed_while_exporting_leaves_nothing_out_and_repeats_only_the_same_bytes(tmp_path: Path) -> None:
    """G10, G11: killed when the receiver has taken a batch and has not yet said so"""
    with exporting(tmp_path) as (proxy, otlp), Load(proxy.base_url) as load:
        for kind in SIGNALS:
            settled = len(load.answered)
            wait(lambda n=settled: len(load.answered) > n + 20, "traffic to flow")  # type: ignore[misc]
            kill_on_next(otlp, kind, proxy)
        load.stop()
        assert (load.wrong, load.broken) == ([], 0)
        assert_all_told(proxy, otlp, len(load.answered))
        copies = [len(each) for each in by_id(otlp.logs(), log_id).values()]
        assert max(copies) > 1


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


@pytest.mark.timeout(180)
def test_a_collector_that_was_away_gets_everything_and_nobody_notices_meanwhile(tmp_path: Path) -> None:
    """G1, G2: refused connections, then hanging ones; memory flat, requests unaffected, totals exact"""
    with exporting(tmp_path) as (proxy, otlp), Load(proxy.base_url) as load:
        wait(lambda: len(load.answered) > 200 and otlp.logs(), "everything to be warm")
        before = memory(proxy)
        otlp.stop()
        passes(load, AWAY_S)
        for kind in SIGNALS:
            otlp.always(kind, Reply(hang=True))
        otlp.start()
        passes(load, AWAY_S)
        missed = len(load.answered) - len(otlp.logs())
        assert_shown(proxy)
        grown = {name: now - before[name] for name, now in memory(proxy).items()}
        for kind in SIGNALS:
            otlp.always(kind, None)
        load.stop()
        assert (load.wrong, load.broken) == ([], 0)
        assert missed > 0
        assert_all_told(proxy, otlp, len(load.answered))
        assert max(grown.values()) < MOST_GROWTH, grown


def assert_shown(proxy: Proxy) -> None:
    """What is pending can be seen where the collector is not needed."""
    shown = signals.scraped(proxy.metrics(), health=True)
    for signal_name in ("logs", "spans", "metrics"):
        own = frozenset({("signal", signal_name)})
        assert shown["proxy_exporter_up", own] == 0
        assert shown["proxy_export_lag_seconds", own] > 0
        assert shown["proxy_export_failures_total", own] > 0


def test_a_proxy_that_is_stopped_while_the_collector_hangs_ends_well_and_sends_the_rest_next_time(
    tmp_path: Path,
) -> None:
    """G2, I1: what is pending stays behind the cursor"""
    with Upstream(script=Streams()).running() as upstream, receiver() as otlp:
        proxy = Proxy(tmp_path, upstream.url, env={"OTEL_EXPORTER_OTLP_ENDPOINT": otlp.url, **QUICK})
        for kind in SIGNALS:
            otlp.always(kind, Reply(hang=True))
        with proxy.running(), Load(proxy.base_url) as load:
            wait(lambda: len(load.answered) > 50 and otlp.requests("logs"), "a delivery to hang")
            load.stop()
        assert otlp.logs() == []
        for kind in SIGNALS:
            otlp.always(kind, None)
        with proxy.running():
            assert_all_told(proxy, otlp, len(load.answered))
            laws.check(proxy, payloads=[one.body for one in otlp.received])


def test_a_collector_that_answers_nonsense_costs_no_request_and_no_record(tmp_path: Path) -> None:
    """G3, G4: a redirection, a page for people, an answer that breaks off"""
    with Upstream(script=Streams()).running() as upstream, receiver() as otlp:
        proxy = Proxy(tmp_path, upstream.url, env={"OTEL_EXPORTER_OTLP_ENDPOINT": otlp.url, **QUICK})
        otlp.always("logs", Reply(302, headers={"location": "/login"}))
        otlp.always("traces", Reply(body=b"<html>Welcome</html>", content_type="text/html"))
        otlp.always("metrics", Reply(raw=b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n"))
        with proxy.running(), Load(proxy.base_url) as load:
            wait(lambda: len(load.answered) > 50 and all(map(otlp.requests, SIGNALS)), "every signal to be answered")
            wait(lambda: told_down(proxy), "that to be shown")
            load.stop()
            assert (load.wrong, load.broken) == ([], 0)
        assert (otlp.logs(), otlp.spans()) == ([], [])
        for kind in SIGNALS:
            otlp.always(kind, None)
        with proxy.running():
            assert_all_told(proxy, otlp, len(load.answered))
            laws.check(proxy, payloads=[one.body for one in otlp.received])
        assert proxy.rows("SELECT * FROM dead_letters") == []


def told_down(proxy: Proxy) -> bool:
    """Whether no signal is delivered, as far as the proxy knows."""
    shown = signals.scraped(proxy.metrics(), health=True)
    return all(shown["proxy_exporter_up", frozenset({("signal", name)})] == 0 for name in ("logs", "spans", "metrics"))


def passes(load: Load, seconds: float) -> None:
    """Requests go on all the while."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        settled = len(load.answered)
        wait(lambda n=settled: len(load.answered) > n, "requests to be answered")  # type: ignore[misc]


def memory(proxy: Proxy) -> dict[str, int]:
    """Resident bytes of relay and observer."""
    return {name: psutil.Process(proxy.pid(name)).memory_info().rss for name in ("relay", "observer")}


def assert_all_told(proxy: Proxy, otlp: Receiver, requests: int) -> None:
    """Every log and span arrived at least once, all copies are the same bytes, and the totals are exact."""
    ids = {row["request_id"] for row in proxy.finished(requests)}
    attempts = {row["span_id"] for row in proxy.rows("SELECT span_id FROM attempts")}
    servers = {row["span_id"] for row in proxy.rows("SELECT span_id FROM exchanges")}
    wait(lambda: {request_id for _, request_id in by_id(otlp.logs(), log_id)} >= ids, "every log", 60)
    wait(lambda: by_id(otlp.spans(), span_id).keys() >= attempts | servers, "every span", 60)
    wait(lambda: signals.differences(counted(proxy, otlp), signals.expected(proxy)) == [], "the totals", 60)
    assert by_id(otlp.logs(), log_id).keys() == {("completed", request_id) for request_id in ids}
    assert by_id(otlp.spans(), span_id).keys() == attempts | servers
    for copies in (*by_id(otlp.logs(), log_id).values(), *by_id(otlp.spans(), span_id).values()):
        assert len(set(copies)) == 1
    assert signals.differences(signals.scraped(proxy.metrics()), signals.received(otlp.metrics())) == []


def counted(proxy: Proxy, otlp: Receiver) -> signals.Series:
    """What the last export says of what follows from the ledger."""
    names = {name for name, _ in signals.expected(proxy)}
    return {key: value for key, value in signals.received(otlp.metrics()).items() if key[0] in names}


def by_id(items: list[Item], identity: Callable[[Item], K]) -> dict[K, list[bytes]]:
    """The bytes of every copy that arrived."""
    found: defaultdict[K, list[bytes]] = defaultdict(list)
    for item in items:
        found[identity(item)].append(item.SerializeToString(deterministic=True))
    return dict(found)


def log_id(log: LogRecord) -> tuple[str, str]:
    """Kind and request."""
    kind = "completed" if '"msg":"completed"' in log.body.string_value else "upstream error"
    return kind, str(values(log.attributes)["request_id"])


def span_id(span: Span) -> str:
    """As the ledger has it."""
    return span.span_id.hex()
