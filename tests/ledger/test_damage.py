"""Damage of the ledger, found at start and met later."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from proxy.ledger import damage
from proxy.ledger.connect import writer
from proxy.ledger.costs import Cost, save_first
from proxy.ledger.errors import LedgerRefused
from proxy.ledger.folder import Folder, prepare
from proxy.ledger.processes import hold
from proxy.ledger.verify import verify
from tests.ledger.samples import alter, enlarge, finished, flip, pages_of, request_id, rows, store
from tests.ledger.test_bodies import conversation

NEEDED = (
    *("ledger_meta", "exchanges", "exchanges_list", "exchanges_failed", "exchanges_open", "exchanges_time"),
    *("exchanges_session", "exchanges_message", "exchanges_upstream_id", "attempts", "windows", "limits", "headers"),
    *("bodies", "exchange_bodies", "exchange_bodies_body", "pieces", "nodes", "nodes_piece", "body_nodes", "chunks"),
    *("journal", "journal_finished", "journal_time", "facets", "costs", "costs_total", "totals", "cursors"),
)
"""What relay and observer write for each request."""


@pytest.fixture
def large(folder: Folder) -> Folder:
    """A ledger that is too large to be read as a whole at each start."""
    store(folder, *(finished(number) for number in range(30)))
    enlarge(folder, damage.SMALL)
    return folder


@pytest.fixture
def error(folder: Folder) -> sqlite3.DatabaseError:
    """What SQLite says of a damaged file."""
    junk = folder.path / "junk"
    junk.write_bytes(b"no database" * 1000)
    with pytest.raises(sqlite3.DatabaseError) as raised:
        writer(junk)
    return raised.value


def _first_page(folder: Folder, name: str) -> None:
    flip(folder, pages_of(folder, name)[:1])


def test_a_large_ledger_that_is_whole_is_left_as_it_is(large: Folder) -> None:
    before = large.ledger.read_bytes()
    assert prepare(large) is None
    assert large.ledger.read_bytes() == before


def test_damage_of_a_large_ledger_is_found_in_every_table_that_is_written(large: Folder) -> None:
    """F8: one after the other, each in a ledger that is whole otherwise"""
    found = []
    for name in NEEDED:
        _first_page(large, name)
        aside = prepare(large)
        if aside is not None:
            found.append(name)
            aside.replace(large.ledger)
        _first_page(large, name)
    assert tuple(found) == NEEDED
    assert prepare(large) is None


def test_what_was_tried_leaves_nothing_behind(folder: Folder) -> None:
    store(folder, finished(1))
    with closing(writer(folder.ledger)) as conn:
        damage.attempt(conn)
    assert rows(folder, "SELECT request_id FROM exchanges") == [(request_id(1),)]
    assert rows(folder, "SELECT seq FROM sqlite_sequence WHERE name = 'journal'") == [(1,)]
    assert verify(folder) == []


def test_damage_that_was_met_is_noted_and_said_once(
    folder: Folder, error: sqlite3.DatabaseError, caplog: pytest.LogCaptureFixture
) -> None:
    assert not damage.met(folder, sqlite3.OperationalError("database is locked"))
    assert not folder.damaged.exists()
    assert [damage.met(folder, error) for _ in range(3)] == [True] * 3
    assert folder.damaged.exists()
    [record] = caplog.records
    assert f"the ledger {folder.ledger} is damaged" in record.getMessage()
    assert "start the proxy again" in record.getMessage()


def test_after_damage_was_met_a_large_ledger_is_searched_everywhere(
    large: Folder, error: sqlite3.DatabaseError
) -> None:
    """F8: where no new record is written, too"""
    with closing(writer(large.ledger)) as conn:
        save_first(conn, {request_id(number): Cost("x" * 2_000, Decimal(1)) for number in range(30)})
    flip(large, pages_of(large, "costs")[1:2])
    assert prepare(large) is None
    damage.met(large, error)
    assert prepare(large) is not None
    assert not large.damaged.exists()
    assert verify(large) == []


def test_a_ledger_that_proves_to_be_whole_is_kept_and_not_suspected_again(
    folder: Folder, error: sqlite3.DatabaseError
) -> None:
    store(folder, finished(1))
    damage.met(folder, error)
    assert prepare(folder) is None
    assert not folder.damaged.exists()
    assert rows(folder, "SELECT count(*) FROM exchanges") == [(1,)]


def test_suspicion_stays_while_the_damaged_ledger_is_in_use(large: Folder, error: sqlite3.DatabaseError) -> None:
    _first_page(large, "journal")
    damage.met(large, error)
    with hold(large, "p1"), pytest.raises(LedgerRefused, match="in use"):
        prepare(large)
    assert large.damaged.exists()


def test_a_free_list_that_is_damaged_is_found(large: Folder) -> None:
    """What is written next goes there."""
    alter(large, "DELETE FROM filler WHERE rowid = 1")
    trunk = int.from_bytes(large.ledger.read_bytes()[32:36], "big")
    flip(large, [trunk])
    assert prepare(large) is not None


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE journal SET commit_ns = 9223372036854775807",
        "UPDATE journal SET commit_ns = CAST('\u00ff' AS BLOB)",
        "UPDATE sqlite_sequence SET seq = 0 WHERE name = 'pieces'",
    ],
)
def test_values_that_let_no_record_be_written_are_damage(folder: Folder, change: str) -> None:
    store(folder, finished(1, content=conversation(5)))
    alter(folder, change)
    assert prepare(folder) is not None
    assert verify(folder) == []


def test_no_note_is_no_obstacle(tmp_path: Path, error: sqlite3.DatabaseError) -> None:
    """A disk that takes nothing does not make it worse."""
    assert damage.met(Folder(tmp_path / "nowhere"), error)
