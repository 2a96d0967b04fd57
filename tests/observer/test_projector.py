"""Costs, totals and cursor move together or not at all."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
import zstandard

from proxy.exchange import WindowReading
from proxy.ledger import costs, cursors, meta
from proxy.ledger.connect import writer
from proxy.ledger.counters import Counters
from proxy.ledger.folder import Folder
from proxy.names import metrics
from proxy.names.metrics import Instrument
from proxy.observer import given_up
from proxy.observer.projector import Projector
from tests.ledger.samples import letters
from tests.observer.samples import START_NS, WINDOWS, exchange, ledger, refused, request_id, store


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return ledger(tmp_path)


@pytest.fixture
def conn(folder: Folder) -> Iterator[sqlite3.Connection]:
    with closing(writer(folder.ledger, busy_ms=50)) as one:
        yield one


def projector(conn: sqlite3.Connection, folder: Folder) -> Projector:
    return Projector(conn, folder, {"default": "acme", "production": None}, None, clock_ns=lambda: START_NS)


def drain(one: Projector) -> list[str]:
    found = []
    while listed := one.step():
        found += [each.exchange.request_id for each in listed]
    return found


def total(one: Projector, instrument: Instrument) -> object:
    return sum(each.value for each in one.look()[1] if each.instrument is instrument)


def shown(one: Projector) -> list[tuple[str, object, object, list[int]]]:
    return [(each.instrument.name, each.named_labels, each.value, each.buckets) for each in one.look()[1]]


def test_everything_committed_is_projected_once(conn: sqlite3.Connection, folder: Folder) -> None:
    store(folder, [exchange(number) for number in range(1, 301)])
    one = projector(conn, folder)
    assert drain(one) == [request_id(number) for number in range(1, 301)]
    assert drain(one) == []
    assert total(one, metrics.REQUEST_COUNT) == 300
    assert total(one, metrics.COST) == Decimal("0.012072") * 300
    assert cursors.get(conn, "metrics") == 300
    saved = costs.load_many(conn, [request_id(300)]).get(request_id(300))
    assert saved is not None
    assert (saved.total_usd, len(saved.items)) == (Decimal("0.012072"), 5)


def test_only_a_full_step_is_followed_at_once_by_another(conn: sqlite3.Connection, folder: Folder) -> None:
    store(folder, [exchange(number) for number in range(1, 301)])
    one = projector(conn, folder)
    assert [(len(one.step()), one.behind) for _ in range(3)] == [(256, True), (44, False), (0, False)]


def test_totals_are_exact_after_a_restart_at_any_place(
    conn: sqlite3.Connection, folder: Folder, tmp_path: Path
) -> None:
    several = [replace(exchange(n), windows=WINDOWS) if n % 7 else refused(n) for n in range(1, 301)]
    store(folder, several)
    one = projector(conn, folder)
    one.step()
    again = projector(conn, folder)
    again.step()
    drain(again)
    assert [each.value for each in again.look()[1] if each.instrument is metrics.REQUEST_COUNT] == [258, 42]
    other = ledger(tmp_path / "other")
    store(other, several)
    with closing(writer(other.ledger)) as fresh:
        whole = projector(fresh, other)
        drain(whole)
        assert shown(again) == shown(whole)
        assert list(again.look()[2]) == list(whole.look()[2])


def test_a_commit_that_fails_changes_nothing(conn: sqlite3.Connection, folder: Folder) -> None:
    store(folder, [exchange(number) for number in range(1, 11)])
    one = projector(conn, folder)
    before = shown(one)
    with closing(writer(folder.ledger)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            one.step()
        assert shown(one) == before
        other.execute("ROLLBACK")
    one.load()
    assert len(drain(one)) == 10
    assert total(one, metrics.REQUEST_COUNT) == 10
    assert total(one, metrics.COST) == Decimal("0.120720")


def test_a_row_that_cannot_be_counted_is_given_up_alone(conn: sqlite3.Connection, folder: Folder) -> None:
    store(folder, [exchange(number) for number in range(1, 6)])
    conn.execute("UPDATE chunks SET packed = x'00' WHERE request_id = ?", (request_id(3),))
    one = projector(conn, folder)
    assert drain(one) == [request_id(number) for number in (1, 2, 4, 5)]
    assert total(one, metrics.REQUEST_COUNT) == 4
    assert cursors.get(conn, "metrics") == 5
    assert [(each.signal, each.seq, each.reason) for each in letters(conn)] == [("metrics", 3, "poison")]


def test_when_no_row_can_be_counted_the_rest_waits_for_a_better_program(
    conn: sqlite3.Connection, folder: Folder
) -> None:
    store(folder, [exchange(number) for number in range(1, 16)])
    good = conn.execute("SELECT packed FROM chunks LIMIT 1").fetchone()[0]
    conn.execute("UPDATE chunks SET packed = x'00' WHERE request_id > ?", (request_id(2),))
    one = projector(conn, folder)
    for _ in range(2):
        with pytest.raises(zstandard.ZstdError):
            drain(one)
        assert cursors.get(conn, "metrics") == 2 + given_up.MOST_IN_A_ROW
    assert len(letters(conn)) == given_up.MOST_IN_A_ROW
    conn.execute("UPDATE chunks SET packed = ?", (good,))
    assert drain(one) == [request_id(number) for number in (13, 14, 15)]
    assert total(one, metrics.REQUEST_COUNT) == 5


def test_what_retention_has_removed_is_passed_over(conn: sqlite3.Connection, folder: Folder) -> None:
    store(folder, [exchange(1), exchange(2)])
    conn.execute("DELETE FROM exchanges WHERE request_id = ?", (request_id(1),))
    assert drain(projector(conn, folder)) == [request_id(2)]
    assert cursors.get(conn, "metrics") == 2


def test_readings_and_cooldowns_survive_a_restart(conn: sqlite3.Connection, folder: Folder) -> None:
    rejected = (WindowReading("acme", "5h", 100.0, 1_795_010_000, "rejected"),)
    store(folder, [replace(refused(1), windows=rejected)])
    drain(projector(conn, folder))
    one = projector(conn, folder)
    store(folder, [replace(refused(2), windows=rejected)])
    drain(one)
    assert total(one, metrics.COOLDOWNS) == 1
    gauges = {(instrument.name, labels): value for instrument, labels, value in one.look()[2]}
    assert gauges["proxy.usage.utilization", ("5h",)] == 100.0
    assert gauges["proxy.usage.resets_at", ("5h",)] == 1_795_010_000


def test_endpoints_are_shown_with_their_organisation(conn: sqlite3.Connection, folder: Folder) -> None:
    found = [
        labels for instrument, labels, _ in projector(conn, folder).look()[2] if instrument is metrics.ENDPOINT_INFO
    ]
    assert found == [("default", "acme"), ("production", None)]


def test_folding_adds_what_relays_and_retention_counted(conn: sqlite3.Connection, folder: Folder) -> None:
    one = projector(conn, folder)
    Counters.create(folder, "relay-1").add("disk_full", 3)
    one.evicted(2)
    one.fold()
    one.fold()
    dropped = {each.labels[0]: each.value for each in one.look()[1] if each.instrument is metrics.DROPPED}
    assert (dropped["disk_full"], dropped["evicted"], dropped["poison"]) == (3, 2, 0)
    assert shown(projector(conn, folder)) == shown(one)


def test_a_fold_that_fails_is_made_up_for(conn: sqlite3.Connection, folder: Folder) -> None:
    one = projector(conn, folder)
    Counters.create(folder, "relay-1").add("disk_full", 3)
    with closing(writer(folder.ledger)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            one.fold()
        other.execute("ROLLBACK")
    one.fold()
    assert total(one, metrics.DROPPED) == 3


def test_windows_are_kept_as_one_note(conn: sqlite3.Connection, folder: Folder) -> None:
    store(folder, [replace(exchange(1), windows=WINDOWS)])
    drain(projector(conn, folder))
    assert '"acme":{"5h":{"utilization":37.5' in (meta.get(conn, "windows") or "")
