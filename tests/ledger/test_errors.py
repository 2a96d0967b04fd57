"""What a failed write means."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from proxy.ledger.connect import transaction, writer
from proxy.ledger.errors import Trouble, trouble
from proxy.ledger.folder import Folder
from tests.ledger.samples import flip, pages_of


def _raised(conn: sqlite3.Connection, sql: str, *values: object) -> Trouble:
    with pytest.raises((sqlite3.Error, OverflowError, UnicodeEncodeError)) as raised:
        conn.execute(sql, values)
    return trouble(raised.value)


def test_locked_ledger_is_busy(folder: Folder, conn: sqlite3.Connection) -> None:
    with transaction(conn), closing(writer(folder.ledger, busy_ms=1)) as second:
        assert _raised(second, "BEGIN IMMEDIATE") is Trouble.BUSY


def test_ledger_without_room_is_full(conn: sqlite3.Connection) -> None:
    conn.execute(f"PRAGMA max_page_count = {conn.execute('PRAGMA page_count').fetchone()[0]}")
    sql = "INSERT INTO bodies (sha256, size, codec, data) VALUES ('', 0, '', zeroblob(1000000))"
    assert _raised(conn, sql) is Trouble.FULL


@pytest.mark.parametrize("value", [2**63, "\ud800", object()])
def test_value_that_cannot_be_stored_is_the_records_fault(conn: sqlite3.Connection, value: object) -> None:
    assert _raised(conn, "INSERT INTO cursors VALUES ('a', ?, 0)", value) is Trouble.POISON


def test_broken_rule_of_a_table_is_the_records_fault(conn: sqlite3.Connection) -> None:
    assert _raised(conn, "INSERT INTO cursors VALUES ('a', NULL, 0)") is Trouble.POISON


def test_file_that_cannot_be_opened_is_broken(folder: Folder) -> None:
    with pytest.raises(sqlite3.OperationalError) as raised:
        writer(folder.path / "nowhere")
    assert trouble(raised.value) is Trouble.BROKEN
    assert trouble(FileNotFoundError()) is Trouble.BROKEN


def test_file_that_is_no_database_is_damaged(folder: Folder) -> None:
    folder.ledger.write_bytes(b"no database" * 1000)
    with pytest.raises(sqlite3.DatabaseError) as raised:
        writer(folder.ledger)
    assert trouble(raised.value) is Trouble.DAMAGED


def test_page_that_is_none_is_damage(folder: Folder) -> None:
    flip(folder, pages_of(folder, "cursors"))
    with closing(writer(folder.ledger)) as conn:
        assert _raised(conn, "INSERT INTO cursors VALUES ('a', 1, 0)") is Trouble.DAMAGED
