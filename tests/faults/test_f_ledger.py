"""Group F, the disk and what happens while the ledger cannot be written: full, broken, gone, locked, slow."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from proxy.ledger.backlog import ROW_BYTES
from proxy.ledger.connect import BUSY_MS, WAL_LIMIT, transaction, writer
from proxy.ledger.folder import Folder
from proxy.ledger.verify import verify
from proxy.observer.retaining import WAL_BYTES
from tests.cli.commands import command
from tests.faults.failing import FailAt, Inside
from tests.faults.stored import Sized, answered, degraded, ledger_size, log_size, sized, stalled, stored_bodies
from tests.kit import laws
from tests.kit.conditions import MEGABYTE, fill, injected, tmpfs
from tests.kit.process import Proxy, wait
from tests.kit.raw import ask
from tests.kit.upstream import Upstream
from tests.ledger.samples import alter, rows

KEPT = '[retention]\nmax_bytes = "4MiB"\n'
HELD = 256 * MEGABYTE
"""What waits for the recorder of one relay process may take so much memory."""

POISON = (
    b'{"type":"message","model":"\\ud800","usage":{"input_tokens":1,"output_tokens":2}}',
    b'{"type":"message","model":"m","usage":{"input_tokens":%d,"output_tokens":-1}}' % 2**70,
    b'{"type":"message","model":"m","usage":{"input_tokens":1e999,"output_tokens":-0.0}}',
    b'{"type":"message","model":{"a":[1]},"id":["x"],"usage":{"input_tokens":"9","output_tokens":{}}}',
    b'{"type":"message","model":"m\\u0000","id":"\\udfff","stop_reason":"\\ud800\\ud800","usage":[]}',
)


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream(script=Sized(*POISON)).running() as one:
        yield one


@contextlib.contextmanager
def on_disk_of_its_own(
    folder: Path, upstream: Upstream, megabytes: int, rest: str = ""
) -> Iterator[tuple[Proxy, Path]]:
    """A proxy whose data folder is a small disk, which takes writes at the speed of memory."""
    proxy = Proxy(folder, upstream.url, rest=rest, env={"ANTHROPIC_PROXY_RETENTION_RESERVE": "1MiB"})
    with tmpfs(proxy.data, megabytes) as disk, proxy.running():
        yield proxy, disk


def healthy(proxy: Proxy) -> bool:
    return degraded(proxy.base_url) == [] and degraded(proxy.inspector_url) == []


def test_f3_a_full_disk_costs_no_request_and_no_record_and_heals(tmp_path: Path, upstream: Upstream) -> None:
    with on_disk_of_its_own(tmp_path, upstream, 16) as (proxy, disk):
        wait((proxy.data / "reserve").exists, "the reserve")
        assert answered(proxy, 5, 20_000)
        proxy.finished(5)
        fill(disk / "filler")
        wait(lambda: not (proxy.data / "reserve").exists(), "the reserve to be given back")
        wait(lambda: "disk_low" in degraded(proxy.base_url), "the relay to notice")
        wait(lambda: "disk_low" in degraded(proxy.inspector_url), "the observer to notice")
        assert answered(proxy, 20, 20_000)
        found = proxy.finished(25)
        assert {row["response_capture"] for row in found[5:]} == {"disk_full"}
        wait(lambda: 'proxy_dropped_total{reason="disk_full"} 20.0' in proxy.metrics(), "the drops on /metrics")
        (disk / "filler").unlink()
        wait(lambda: healthy(proxy) and (proxy.data / "reserve").exists(), "everything to be well again")
        assert answered(proxy, 1, 20_000)
        assert proxy.finished(26)[-1]["response_capture"] is None
        laws.check(proxy)


def test_f3_rows_that_do_not_fit_wait_until_there_is_room(tmp_path: Path, upstream: Upstream) -> None:
    with on_disk_of_its_own(tmp_path, upstream, 8) as (proxy, disk):
        assert answered(proxy, 5, 1_000)
        processes = proxy.run["processes"]
        fill(disk / "filler")
        wait(lambda: not (proxy.data / "reserve").exists(), "the reserve to be given back")
        # Somebody else takes that, too.
        filled = threading.Event()
        full = threading.Thread(target=_keep_full, args=(disk, filled))
        full.start()
        try:
            while "disk_full" not in degraded(proxy.base_url):
                assert answered(proxy, 5, 1_000)
            assert answered(proxy, 5, 1_000)
        finally:
            filled.set()
            full.join()
        asked = len(upstream.seen)
        (disk / "filler").unlink()
        proxy.finished(asked)
        wait(lambda: healthy(proxy), "everything to be well again")
        assert proxy.run["processes"] == processes
        laws.check(proxy)


def _keep_full(disk: Path, enough: threading.Event) -> None:
    while not enough.wait(0.02):
        fill(disk / "filler")


def test_f3_a_proxy_starts_on_a_full_disk(tmp_path: Path, upstream: Upstream) -> None:
    with on_disk_of_its_own(tmp_path, upstream, 8) as (proxy, disk):
        wait((proxy.data / "reserve").exists, "the reserve")
        assert answered(proxy, 1, 1_000)
        assert proxy.stop() == 0
        fill(disk / "filler")
        proxy.start()
        assert answered(proxy, 1, 1_000)
        wait(lambda: "disk_low" in degraded(proxy.base_url), "the trouble to be noticed")
        (disk / "filler").unlink()
        wait(lambda: healthy(proxy), "everything to be well")
        proxy.finished(2)
        laws.check(proxy)


@pytest.mark.parametrize("fault", ["pwrite64:error=EIO", "fdatasync:error=EIO", "pwrite64,openat:error=EROFS"])
def test_f4_a_disk_that_fails_costs_no_request_and_no_record(tmp_path: Path, upstream: Upstream, fault: str) -> None:
    proxy = Proxy(tmp_path, upstream.url)
    with proxy.running():
        assert answered(proxy, 3, 1_000)
        log = proxy.data / "ledger.sqlite3-wal"
        processes = proxy.run["processes"]
        with injected(proxy.pid("relay"), fault, path=log), injected(proxy.pid("observer"), fault, path=log):
            assert answered(proxy, 10, 1_000)
            wait(lambda: "ledger_error" in degraded(proxy.base_url), "the trouble to be noticed")
            assert answered(proxy, 10, 1_000)
        proxy.finished(23)
        wait(lambda: healthy(proxy), "the trouble to be over")
        assert proxy.run["processes"] == processes
        assert answered(proxy, 1, 1_000)
        proxy.finished(24)
        laws.check(proxy)


def test_f4_a_folder_that_goes_away_and_comes_back_costs_nothing(tmp_path: Path, upstream: Upstream) -> None:
    proxy = Proxy(tmp_path, upstream.url)
    with proxy.running():
        assert answered(proxy, 3, 1_000)
        relay, inspector, processes = proxy.base_url, proxy.inspector_url, proxy.run["processes"]
        away = proxy.data.rename(tmp_path / "away")
        replies = [ask(relay, sized(1_000)) for _ in range(10)]
        assert [(reply.status, reply.ended) for reply in replies] == [(200, True)] * 10
        wait(lambda: "ledger_error" in degraded(relay), "the relay to notice")
        assert degraded(inspector) == []
        away.rename(proxy.data)
        proxy.finished(13)
        wait(lambda: healthy(proxy), "the trouble to be over")
        assert proxy.run["processes"] == processes
        laws.check(proxy)


def test_f4_a_start_on_a_disk_that_cannot_be_written_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with tmpfs(tmp_path / "data", 8):
        subprocess.run(["mount", "-o", "remount,ro", str(tmp_path / "data")], check=True)
        done = command(tmp_path, "serve", "--data", "data", "--port", "0", "--inspector", "127.0.0.1:0")
    assert (done.code, done.out) == (2, "")
    assert "cannot be used (Read-only file system): make it writable or choose another\n" in done.err


@pytest.mark.parametrize("role", ["relay", "observer"])
def test_f4_a_process_that_dies_on_a_disk_that_cannot_be_written_says_so_and_comes_back(
    tmp_path: Path, upstream: Upstream, role: str
) -> None:
    proxy = Proxy(tmp_path, upstream.url)
    with proxy.running():
        assert answered(proxy, 3, 1_000)
        proxy.finished(3)
        with tmpfs(proxy.data / "counters", 1) as counters:
            subprocess.run(["mount", "-o", "remount,ro", str(counters)], check=True)
            old = proxy.kill(role)
            wait(lambda: f"{role} ended (exit code 2); starting it again in 2 s" in proxy.said(), "two tries")
        proxy.replaced(role, old)
        assert answered(proxy, 1, 1_000)
        proxy.finished(4)
        laws.check(proxy)
    refused = f"the data folder {proxy.data} cannot be used (Read-only file system): make it writable or choose another"
    assert proxy.said().count(f"{role} cannot begin: {refused}") >= 2
    assert "Traceback" not in proxy.said()


@contextlib.contextmanager
def locked(proxy: Proxy) -> Iterator[float]:
    """Another program has the ledger for itself while the block runs; since when, monotonic seconds."""
    with closing(sqlite3.connect(proxy.data / "ledger.sqlite3", isolation_level=None, timeout=20)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield time.monotonic()
        other.execute("ROLLBACK")


def test_f5_a_ledger_locked_by_another_program_is_waited_for(tmp_path: Path, upstream: Upstream) -> None:
    proxy = Proxy(tmp_path, upstream.url)
    with proxy.running():
        assert answered(proxy, 1, 1_000)
        proxy.finished(1)
        with locked(proxy) as since:
            wait(lambda: answered(proxy, 5, 1_000) and "ledger_busy" in degraded(proxy.base_url), "it to be noticed")
            # Longer than anything in the product lets SQLite wait.
            while time.monotonic() - since < BUSY_MS / 1000 + 1:
                begun = time.monotonic()
                assert answered(proxy, 1, 1_000)
                assert time.monotonic() - begun < BUSY_MS / 2000, "an answer waited for the ledger"
                time.sleep(0.02)
            asked = len(upstream.seen)
            assert len(proxy.rows()) == 1
        found = proxy.finished(asked)
        assert {row["response_capture"] for row in found} == {None}
        wait(lambda: healthy(proxy), "the trouble to be over")
        laws.check(proxy)


def test_f6_a_reader_that_stays_neither_hides_pages_nor_leaves_a_long_log(tmp_path: Path, upstream: Upstream) -> None:
    with on_disk_of_its_own(tmp_path, upstream, 100) as (proxy, _):
        assert answered(proxy, 1, 1_000)
        proxy.finished(1)
        with closing(sqlite3.connect(proxy.data / "ledger.sqlite3", isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM exchanges").fetchone()
            assert answered(proxy, 20, MEGABYTE)
            proxy.finished(21, 60)
            assert log_size(proxy) > WAL_BYTES
            assert len(proxy.api("/api/v1/exchanges", limit="100", operation="all")["items"]) == 21
        wait(lambda: log_size(proxy) <= WAL_BYTES < WAL_LIMIT, "the log to be cut")
        laws.check(proxy)


def test_f9_a_recorder_that_stands_still_is_not_felt(tmp_path: Path, upstream: Upstream) -> None:
    proxy = Proxy(tmp_path, upstream.url)
    with proxy.running():
        assert answered(proxy, 1, 1_000)
        proxy.finished(1)
        with stalled(proxy.pid("relay")):
            assert answered(proxy, 20, 1_000)
            assert len(proxy.rows()) == 1
        assert {row["response_capture"] for row in proxy.finished(21)} == {None}
        laws.check(proxy)


def test_f9_what_waits_for_the_recorder_is_bounded_and_bodies_go_first(tmp_path: Path, upstream: Upstream) -> None:
    with on_disk_of_its_own(tmp_path, upstream, 800, KEPT) as (proxy, _):
        assert answered(proxy, 1, 1_000)
        proxy.finished(1)
        relay = psutil.Process(proxy.pid("relay"))
        before = relay.memory_info().rss
        with locked(proxy):
            with ThreadPoolExecutor(4) as clients:
                asking = [clients.submit(answered, proxy, 10, MEGABYTE) for _ in range(45)]
                assert all(one.result() for one in asking)
            # What allocators keep comes on top; everything would be 450 MB.
            assert relay.memory_info().rss - before < HELD * 1.5
            assert "queue_full" in degraded(proxy.base_url)
        found = proxy.finished(451, 60)
        lost = sum(row["response_capture"] == "queue_full" for row in found)
        assert 190 < lost < 300
        wait(lambda: f'proxy_dropped_total{{reason="queue_full"}} {lost}.0' in proxy.metrics(), "the drops on /metrics")
        wait(lambda: healthy(proxy), "the trouble to be over")
        laws.check(proxy)


def test_f9_rows_go_last_and_whatever_is_lost_is_counted(tmp_path: Path, upstream: Upstream) -> None:
    """A relay whose recorder may hold little, so that there is no room for rows either"""
    with Inside(tmp_path, upstream.url, FailAt(), max_held=100 * ROW_BYTES).running() as inside:

        def count(name: str) -> int:
            return inside.counters.read().values[name]

        with closing(writer(inside.folder.ledger)) as other, transaction(other):
            shed_first = False
            while not count("records_lost"):
                assert len(upstream.seen) < 500, "nothing was lost, or nothing was counted"
                assert ask(inside.url, sized(20_000)).status == 200
                shed_first = shed_first or (count("queue_full") > 20 and not count("records_lost"))
            assert shed_first, "rows went before bodies"
            assert [ask(inside.url, sized(1_000)).status for _ in range(50)] == [200] * 50
    outcomes = [str(outcome) for (outcome,) in rows(inside.folder, "SELECT outcome FROM exchanges")]
    whole, ended = outcomes.count("ok"), outcomes.count("proxy_error")
    assert whole >= 50
    assert whole + ended == len(outcomes)
    assert whole + count("records_lost") == len(upstream.seen)
    assert 0 < ended <= count("records_lost") <= count("queue_full")
    assert verify(inside.folder) == []


REFUSING = (
    "CREATE TRIGGER no_row BEFORE INSERT ON exchanges WHEN NEW.path = '/v1/nothing'"
    " BEGIN SELECT RAISE(ABORT, 'no such row'); END",
    "CREATE TRIGGER no_body BEFORE INSERT ON bodies WHEN NEW.size = 4321 BEGIN SELECT RAISE(ABORT, 'no body'); END",
)
"""The ledger refuses what nothing in the product makes: all but the end of one record, and the body of another."""


def test_f10_what_the_ledger_refuses_is_isolated_out_of_its_group(tmp_path: Path, upstream: Upstream) -> None:
    proxy = Proxy(tmp_path, upstream.url)
    with proxy.running():
        alter(Folder(proxy.data), *REFUSING)
        nothing = sized(1_000).replace(b"/v1/messages", b"/v1/nothing")
        with locked(proxy), ThreadPoolExecutor(8) as clients:
            good = [clients.submit(answered, proxy, 5, 2_000) for _ in range(4)]
            bad = [clients.submit(ask, proxy.base_url, each) for each in (sized(4_321), nothing)]
            assert all(one.result() for one in good)
            assert {one.result().status for one in bad} == {200}
        found = Counter((row["outcome"], row["path"], row["response_capture"]) for row in proxy.finished(22))
        assert found == {
            ("ok", "/v1/messages", None): 20,
            ("ok", "/v1/messages", "poison"): 1,
            ("proxy_error", "", None): 1,
        }
        wait(lambda: 'proxy_dropped_total{reason="poison"} 2.0' in proxy.metrics(), "the count")
        assert healthy(proxy)
        laws.check(proxy)
    with proxy.running():
        assert answered(proxy, 1, 1_000)
        proxy.finished(23)
        laws.check(proxy)


def test_f10_values_that_no_column_holds_spoil_no_record(tmp_path: Path, upstream: Upstream) -> None:
    proxy = Proxy(tmp_path, upstream.url)
    with proxy.running():
        with ThreadPoolExecutor(8) as clients:
            good = [clients.submit(answered, proxy, 5, 2_000) for _ in range(4)]
            bad = [clients.submit(ask, proxy.base_url, sized(0, number)) for number in range(len(POISON))]
            assert all(one.result() for one in good)
            assert {one.result().status for one in bad} == {200}
        found = proxy.finished(20 + len(POISON))
        assert {row["outcome"] for row in found} == {"ok"}
        assert stored_bodies(proxy) >= {*POISON}
        laws.check(proxy)
    with proxy.running():
        assert answered(proxy, 1, 1_000)
        assert len(proxy.api("/api/v1/exchanges", operation="all")["items"]) == 21 + len(POISON)
        laws.check(proxy)


def test_f11_a_ledger_under_load_stays_within_its_size(tmp_path: Path, upstream: Upstream) -> None:
    proxy = Proxy(tmp_path, upstream.url, rest=KEPT)
    with proxy.running():
        for _ in range(6):
            assert answered(proxy, 10, 300_000)
            wait(lambda: proxy.api("/api/v1/exchanges", operation="all")["items"], "pages to show something")
        found = proxy.finished(60)
        wait(lambda: ledger_size(proxy) <= 4.4 * MEGABYTE, "the ledger to shrink")
        assert stored_bodies(proxy)
        assert len(found) == 60
        laws.check(proxy)
