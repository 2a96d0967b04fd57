"""The observer as a whole: one per ledger, exact across restarts and kills, quiet when there is nothing to do."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from proxy.exchange import Outcome
from proxy.ledger.changes import Opened
from proxy.ledger.connect import cut_log, reader, transaction, writer
from proxy.ledger.counters import Counters
from proxy.ledger.errors import LedgerRefused
from proxy.ledger.folder import Folder
from proxy.ledger.queries import Listed
from proxy.ledger.recorder import Recorder
from proxy.ledger.verify import verify
from proxy.names.metrics import INSTRUMENTS, Channel
from proxy.observer.exposition import prometheus_name
from proxy.settings.otlp import Otlp
from tests.kit.process import wait
from tests.ledger.samples import flip, pages_of
from tests.observer.samples import (
    cursor,
    exchange,
    ledger,
    messages,
    observer,
    observing,
    otlp,
    refused,
    request_id,
    store,
    value,
)
from tests.receiver import Receiver, Reply, receiver

RUN = """
import sys, time
from pathlib import Path
from proxy.ledger.folder import Folder
from tests.observer.samples import observer, otlp
from tests.receiver import Receiver
to = Receiver()
to.port = int(sys.argv[2])
observer(Folder(Path(sys.argv[1])), otlp(to)).start()
print("running", flush=True)
time.sleep(60)
"""


def run(folder: Folder, to: Receiver) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, str(folder.path), str(to.port)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"running\n"
    return process


def test_there_is_one_observer_per_ledger(tmp_path: Path) -> None:
    folder = ledger(tmp_path)
    said = r"observer already runs on .*: stop it or choose another data folder"
    with observing(folder, Otlp()), pytest.raises(LedgerRefused, match=said):
        observer(folder, Otlp()).start()
    with observing(folder, Otlp()):
        pass


def test_totals_survive_a_restart_and_are_exact(tmp_path: Path) -> None:
    folder = ledger(tmp_path)
    with receiver() as one:
        for first in (1, 101, 201):
            with observing(folder, otlp(one)):
                store(folder, [exchange(number) for number in range(first, first + 100)])
        assert value(one.metrics(), "proxy.request.count") == 300
        assert value(one.metrics(), "proxy.cost") == float(Decimal("0.012072") * 300)
        assert messages(one.logs()) == [request_id(number) for number in range(1, 301)]
        assert len({span.span_id for span in one.spans()}) == len(one.spans()) == 600


def test_kills_neither_lose_nor_repeat_a_count(tmp_path: Path) -> None:
    """G11: every record arrives, one that arrives twice is the same bytes, and totals are exact."""
    folder = ledger(tmp_path)
    with receiver() as one:
        one.always("logs", Reply(drop=True))
        one.always("traces", Reply(503))
        for first in (1, 151, 301):
            process = run(folder, one)
            store(folder, [exchange(number) for number in range(first, first + 150)])
            seen = len(one.received)
            wait(lambda seen=seen: len(one.received) > seen + 3, "exports under way")  # type: ignore[misc]
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()
        one.always("logs", None)
        one.always("traces", None)
        with observing(folder, otlp(one)):
            wait(lambda: cursor(folder, "logs") == cursor(folder, "spans") == 450, "all deliveries")
        assert value(one.metrics(), "proxy.request.count") == 450
        assert value(one.metrics(), "proxy.tokens.input") == 1_800
        assert value(one.metrics(), "proxy.cost") == float(Decimal("0.012072") * 450)
        assert set(messages(one.logs())) == {request_id(number) for number in range(1, 451)}
        assert len({record.SerializeToString() for record in one.logs()}) == 450
        assert len({span.span_id for span in one.spans()}) == 900
    assert verify(folder) == []


def test_open_requests_of_dead_relays_are_closed_and_told(tmp_path: Path) -> None:
    folder = ledger(tmp_path)
    counters = Counters.create(folder, "relay-1")
    recorder = Recorder(folder, "relay-1", counters)
    recorder.start()
    started = replace(exchange(1), outcome=None, usage=exchange(1).usage)
    recorder.put(lambda: Opened(started), 1)
    assert recorder.stop(5.0)
    with receiver() as one, observing(folder, otlp(one, "logs", "metrics")):
        wait(lambda: messages(one.logs()) == [request_id(1)], "the record")
        wait(lambda: value(one.metrics(), "proxy.request.count", outcome="interrupted") == 1, "the count")


def test_listeners_hear_every_exchange_with_its_cost(tmp_path: Path) -> None:
    folder = ledger(tmp_path)
    heard: list[Listed] = []

    def fail(_: Sequence[Listed]) -> None:
        raise ValueError("a listener of no use")

    running = observer(folder, Otlp())
    running.listen(fail)
    running.listen(heard.extend)
    running.start()
    store(folder, [exchange(1), refused(2)])
    wait(lambda: len(heard) == 2, "both")
    running.stop()
    assert [each.exchange.outcome for each in heard] == [Outcome.OK, Outcome.UPSTREAM_ERROR]
    assert [each.cost and each.cost.total_usd for each in heard] == [Decimal("0.012072"), None]


def test_a_listener_that_fails_each_time_is_told_of_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As where standard output is closed."""
    folder = ledger(tmp_path)
    heard: list[Listed] = []

    def fail(_: Sequence[Listed]) -> None:
        raise BrokenPipeError

    running = observer(folder, Otlp())
    running.listen(fail)
    running.listen(heard.extend)
    running.start()
    for number in (1, 2, 3):
        store(folder, [exchange(number)])
        wait(lambda n=number: len(heard) == n, "a batch of its own")  # type: ignore[misc]
    running.stop()
    assert [record.message for record in caplog.records].count("a listener failed") == 1


def test_the_scrape_shows_what_otlp_sends(tmp_path: Path) -> None:
    folder = ledger(tmp_path)
    with receiver() as one, observing(folder, otlp(one)) as running:
        store(folder, [exchange(number) for number in range(1, 11)])
        wait(lambda: value(one.metrics(), "proxy.request.count") == 10, "metrics")
        wait(lambda: cursor(folder, "logs") == 10, "logs")
        page, health = (running.metrics_page(health_only=only)[0].decode() for only in (False, True))
    assert "proxy_cost_total{" in page
    families = {line.split()[2] for line in health.splitlines() if line.startswith("# TYPE")}
    known = {prometheus_name(one) for one in INSTRUMENTS if one.channel is Channel.HEALTH}
    assert families <= known
    assert families >= {"proxy_requests_open", "proxy_export_lag_seconds", "proxy_dropped_total"}
    for line in (
        'proxy_endpoint_info{endpoint="default",organization="acme"} 1.0',
        'proxy_export_lag_seconds{signal="logs"} 0.0',
        'proxy_exporter_up{signal="metrics"} 1.0',
        'proxy_credential_cooldowns_total{credential="caller",reason="window_rejected"} 0.0',
        "proxy_requests_open 0.0",
    ):
        assert line in page.splitlines()
    sent = {metric.name for request in one.requests("metrics") for metric in _metrics(request.message)}
    assert not sent & {"proxy.requests.open", "proxy.dropped", "proxy.ledger.size", "proxy.export.failures"}


def test_scrapes_may_come_all_at_once(tmp_path: Path) -> None:
    """G14."""
    folder = ledger(tmp_path)
    pages: list[bytes] = []
    with observing(folder, Otlp()) as running:
        threads = [threading.Thread(target=lambda: pages.append(running.metrics_page()[0])) for _ in range(50)]
        store(folder, [exchange(number) for number in range(1, 301)])
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(pages) == 50
    assert all(page.endswith(b"\n") for page in pages)


def test_what_does_not_work_is_named_until_it_works(tmp_path: Path) -> None:
    folder = ledger(tmp_path)
    with receiver() as one, observing(folder, otlp(one)) as running, closing(writer(folder.ledger)) as conn:
        one.always("logs", Reply(503))
        store(folder, [exchange(1)])
        wait(lambda: running.degraded() == ["logs_undelivered"], "the dead receiver to be noticed")
        one.always("logs", None)
        wait(lambda: running.degraded() == [], "the receiver to be back")
        conn.execute("CREATE TRIGGER fault BEFORE UPDATE ON cursors BEGIN SELECT RAISE(ABORT, 'fault'); END")
        store(folder, [exchange(2)])
        wait(lambda: "projection_failing" in running.degraded(), "the fault to be noticed")
        conn.execute("DROP TRIGGER fault")
        wait(lambda: running.degraded() == [], "the fault to be over")


def test_damage_is_told_and_noted_for_the_next_start(tmp_path: Path) -> None:
    """F8: where only the observer reads"""
    folder = ledger(tmp_path)
    store(folder, [exchange(1)])
    with receiver() as one, observing(folder, otlp(one, "metrics")) as running:
        wait(lambda: value(one.metrics(), "proxy.request.count") == 1, "the first")
        with closing(writer(folder.ledger)) as conn:
            wait(lambda: cut_log(conn), "the log to be cut")
        flip(folder, pages_of(folder, "totals"))
        store(folder, [exchange(2)])
        wait(lambda: {"ledger_damaged", "projection_failing"} <= {*running.degraded()}, "it to be told")
    assert folder.damaged.exists()


def test_a_locked_ledger_is_waited_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = ledger(tmp_path)
    with receiver() as one, observing(folder, otlp(one, "metrics")), closing(writer(folder.ledger)) as conn:
        store(folder, [exchange(1)])
        wait(lambda: value(one.metrics(), "proxy.request.count") == 1, "the first")
        conn.execute("CREATE TRIGGER fault BEFORE UPDATE ON cursors BEGIN SELECT RAISE(ABORT, 'fault'); END")
        store(folder, [exchange(2)])
        wait(lambda: "projecting failed" in caplog.text, "trouble")
        assert value(one.metrics(), "proxy.request.count") == 1
        conn.execute("DROP TRIGGER fault")
        wait(lambda: value(one.metrics(), "proxy.request.count") == 2, "the second")


def test_at_rest_nothing_is_exported_but_the_totals(tmp_path: Path) -> None:
    """G13: the observer's own lines and calls are never told of."""
    folder = ledger(tmp_path)
    with receiver() as one, observing(folder, otlp(one)):
        wait(lambda: len(one.requests("metrics")) >= 5, "some time")
        logging.getLogger("proxy").warning("a line of our own")
        wait(lambda: len(one.requests("metrics")) >= 10, "more time")
        assert one.logs() == []
        assert one.spans() == []


def test_retention_counts_what_was_not_exported(tmp_path: Path) -> None:
    """L3."""
    folder = ledger(tmp_path)
    with receiver() as one:
        one.always("logs", Reply(503))
        running = observer(folder, otlp(one, "logs"), retain_s=86_400.0)
        old = [
            replace(exchange(number), started_ns=exchange(number).started_ns - 365 * 86_400 * 10**9)
            for number in (1, 2)
        ]
        store(folder, old)
        with closing(writer(folder.ledger)) as conn, transaction(conn):
            conn.execute("INSERT INTO cursors VALUES ('logs', 0, 0)")
        running.start()
        wait(_evicted(running.metrics_page, 2), "the count")
        running.stop()
    with closing(reader(folder.ledger)) as conn:
        assert conn.execute("SELECT count(*) FROM exchanges").fetchone()[0] == 0


def _evicted(page: Callable[[], tuple[bytes, str]], number: int) -> Callable[[], bool]:
    return lambda: f'proxy_dropped_total{{reason="evicted"}} {number}.0'.encode() in page()[0]


def _metrics(message: object) -> list:  # type: ignore[type-arg]
    return list(message.resource_metrics[0].scope_metrics[0].metrics)  # type: ignore[attr-defined]
