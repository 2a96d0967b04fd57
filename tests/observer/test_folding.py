"""Counts of the relay processes, added to the totals once each."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from proxy.ledger.connect import transaction, writer
from proxy.ledger.counters import Counters
from proxy.ledger.folder import Folder
from proxy.ledger.processes import hold
from proxy.observer.folding import Folding
from proxy.observer.table import Table
from tests.observer.samples import ledger


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return ledger(tmp_path)


@pytest.fixture
def conn(folder: Folder) -> Iterator[sqlite3.Connection]:
    with closing(writer(folder.ledger)) as one:
        yield one


def fold(conn: sqlite3.Connection, folder: Folder, table: Table, *, finish: bool = True) -> None:
    folding = Folding(conn, folder)
    draft = table.draft(1)
    folding.add_to(draft)
    with transaction(conn):
        folding.note(conn)
    table.commit(draft)
    if finish:
        folding.finish()


def shown(table: Table) -> dict[tuple[str, object], object]:
    return {
        (one.instrument.name, one.labels): (one.buckets, round(float(one.value), 3)) if one.buckets else one.value
        for one in table.snapshot()
    }


def aged(folder: Folder, process: str) -> None:
    os.utime(folder.counter(process), (1, 1))


def test_differences_are_added(conn: sqlite3.Connection, folder: Folder) -> None:
    table, counters = Table(), Counters.create(folder, "relay-1")
    with hold(folder, "relay-1"):
        counters.add("disk_full", 3)
        counters.add("records_lost", 9)
        counters.observe("commit_ms", 0.3)
        fold(conn, folder, table)
        fold(conn, folder, table)
        counters.add("disk_full", 2)
        counters.add("auth_failures")
        counters.observe("commit_ms", 500.0)
        fold(conn, folder, table)
    assert shown(table) == {
        ("proxy.dropped", ("disk_full",)): 5,
        ("proxy.auth.failures", ()): 1,
        ("proxy.ledger.commit_ms", ()): ([0, 1, *[0] * 8, 1], 500.3),
    }


def test_the_file_of_a_dead_process_goes_when_its_counts_are_in(conn: sqlite3.Connection, folder: Folder) -> None:
    table, counters = Table(), Counters.create(folder, "relay-1")
    counters.add("poison", 4)
    counters.close()
    aged(folder, "relay-1")
    fold(conn, folder, table)
    assert not folder.counter("relay-1").exists()
    fold(conn, folder, table)
    assert shown(table) == {("proxy.dropped", ("poison",)): 4}


def test_a_file_that_could_not_be_deleted_yet_is_not_counted_again(conn: sqlite3.Connection, folder: Folder) -> None:
    """Killed between commit and deletion."""
    table, counters = Table(), Counters.create(folder, "relay-1")
    counters.add("poison", 4)
    counters.close()
    aged(folder, "relay-1")
    fold(conn, folder, table, finish=False)
    fold(conn, folder, table)
    assert shown(table) == {("proxy.dropped", ("poison",)): 4}


def test_a_process_that_is_just_starting_keeps_its_file(conn: sqlite3.Connection, folder: Folder) -> None:
    Counters.create(folder, "relay-1")
    fold(conn, folder, Table())
    assert folder.counter("relay-1").exists()


def test_a_living_process_keeps_its_file(conn: sqlite3.Connection, folder: Folder) -> None:
    Counters.create(folder, "relay-1")
    with hold(folder, "relay-1"):
        aged(folder, "relay-1")
        fold(conn, folder, Table())
        assert folder.counter("relay-1").exists()


def test_several_processes_add_up(conn: sqlite3.Connection, folder: Folder) -> None:
    table = Table()
    for process in ("relay-1", "relay-2"):
        Counters.create(folder, process).add("read_errors", 2)
    fold(conn, folder, table)
    assert shown(table) == {("proxy.read.errors", ()): 4}


def test_nothing_new_needs_no_write(conn: sqlite3.Connection, folder: Folder) -> None:
    Counters.create(folder, "relay-1")
    assert Folding(conn, folder).changed
    fold(conn, folder, Table())
    assert not Folding(conn, folder).changed
