"""What is read at the moment of a scrape."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from proxy.ledger import journal
from proxy.ledger.connect import reader, transaction, writer
from proxy.ledger.counters import Counters
from proxy.ledger.folder import Folder
from proxy.ledger.processes import hold
from proxy.observer import given_up
from proxy.observer.delivery.replies import Signal
from proxy.observer.health import Health, points
from tests.observer.samples import exchange, ledger, store


def shown(folder: Folder, signals: dict[Signal, tuple[Health, int]], now_ns: int) -> dict[tuple[str, object], float]:
    with closing(reader(folder.ledger)) as conn:
        return {(instrument.name, labels): value for instrument, labels, value in points(conn, folder, signals, now_ns)}


def test_open_requests_are_those_of_all_processes_that_live(tmp_path: Path) -> None:
    folder = ledger(tmp_path)
    for process, number in (("one", 3), ("two", 4), ("dead", 50)):
        Counters.create(folder, process).add("requests_open", number)
    with hold(folder, "one"), hold(folder, "two"):
        found = shown(folder, {}, 0)
    assert found["proxy.requests.open", ()] == 7
    assert found["proxy.ledger.size", ()] > 4096


def test_lag_is_the_age_of_the_oldest_record_not_sent(tmp_path: Path) -> None:
    folder = ledger(tmp_path)
    store(folder, [exchange(number) for number in (1, 2, 3)])
    with closing(reader(folder.ledger)) as conn:
        rows = journal.after(conn, 0, 9)
    failing = Health()
    failing.up, failing.failures = False, 5
    signals = {Signal.LOGS: (failing, 1), Signal.SPANS: (Health(), 3)}
    found = shown(folder, signals, rows[1].commit_ns + 90_000_000_000)
    assert found["proxy.export.lag_seconds", ("logs",)] == 90.0
    assert found["proxy.export.lag_seconds", ("spans",)] == 0.0
    assert found["proxy.exporter.up", ("logs",)] == 0
    assert found["proxy.export.failures", ("logs",)] == 5
    assert ("proxy.exporter.up", ("spans",)) not in found
    assert ("proxy.export.lag_seconds", ("metrics",)) not in found


def test_what_was_given_up_is_dropped(tmp_path: Path) -> None:
    folder = ledger(tmp_path)
    before = shown(folder, {}, 0)
    assert (before["proxy.dropped", ("export_rejected",)], before["proxy.dead_letters", ("logs", "too_old")]) == (0, 0)
    with closing(writer(folder.ledger)) as conn, transaction(conn):
        given_up.count(conn, Signal.LOGS, given_up.TOO_OLD, 2)
        given_up.count(conn, Signal.SPANS, given_up.PARTIAL, 3)
    found = shown(folder, {}, 0)
    assert found["proxy.dead_letters", ("logs", "too_old")] == 2
    assert found["proxy.dead_letters", ("spans", "partial")] == 3
    assert found["proxy.dropped", ("export_rejected",)] == 5


def test_damaged_ledgers_are_counted_as_long_as_they_are_kept(tmp_path: Path) -> None:
    """F8"""
    folder = ledger(tmp_path)
    for name in ("corrupt-20261121T000000Z", "corrupt-20261121T000000Z-wal", "corrupt-20261121T010000Z"):
        (folder.path / f"{folder.ledger.name}.{name}").touch()
    assert shown(folder, {}, 0)["proxy.ledger.set_aside", ()] == 2
