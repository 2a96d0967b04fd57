"""The order of commits."""

from __future__ import annotations

import sqlite3

import pytest

from proxy.ledger import journal
from proxy.ledger.connect import transaction
from proxy.ledger.journal import JournalRow


def _append(conn: sqlite3.Connection, now_ns: int, *ids: str) -> None:
    with transaction(conn):
        journal.append(conn, ids, now_ns)


def test_rows_come_in_order_of_commit_from_a_place_on(conn: sqlite3.Connection) -> None:
    _append(conn, 100, "c", "a")
    _append(conn, 200, "b")
    assert journal.after(conn, 1, 10) == [JournalRow(2, 101, "finished", "a"), JournalRow(3, 200, "finished", "b")]
    assert journal.after(conn, 0, 1) == [JournalRow(1, 100, "finished", "c")]


def test_what_a_cursor_has_not_passed_is_told(conn: sqlite3.Connection) -> None:
    _append(conn, 100, "a", "b", "c", "d")
    assert journal.ahead(conn, 2, ["a", "b", "c", "unknown"]) == {"c"}


def test_commit_time_rises_even_when_the_clock_steps_back(conn: sqlite3.Connection) -> None:
    """I6: a log record's time is its commit time, and two must never be equal."""
    for number, now_ns in enumerate((500, 500, 3, 501, 600)):
        _append(conn, now_ns, f"a{number}", f"b{number}")
    times = [row.commit_ns for row in journal.after(conn, 0, 100)]
    assert times == sorted(set(times))
    assert times[-2:] == [600, 601]


def test_head_stays_when_rows_are_removed(conn: sqlite3.Connection) -> None:
    assert journal.head(conn) == 0
    _append(conn, 1, "a", "b")
    conn.execute("DELETE FROM journal")
    assert journal.head(conn) == 2
    _append(conn, 1, "c")
    assert journal.head(conn) == 3


def test_exchange_cannot_be_finished_twice(conn: sqlite3.Connection) -> None:
    """L2."""
    _append(conn, 1, "a")
    with pytest.raises(sqlite3.IntegrityError):
        _append(conn, 2, "a")


def test_number_is_not_used_up_by_a_commit_that_failed(conn: sqlite3.Connection) -> None:
    """L3: a gap is a loss."""
    _append(conn, 1, "a")
    with pytest.raises(sqlite3.IntegrityError):
        _append(conn, 2, "b", "a")
    _append(conn, 3, "c")
    assert journal.after(conn, 1, 10) == [JournalRow(2, 3, "finished", "c")]


@pytest.mark.parametrize(("since_ns", "seq"), [(0, 0), (100, 0), (101, 1), (200, 1), (201, 2)])
def test_place_before_a_time(conn: sqlite3.Connection, since_ns: int, seq: int) -> None:
    _append(conn, 100, "a")
    _append(conn, 200, "b")
    assert journal.seq_before(conn, since_ns) == seq
