"""Connections and their idioms."""

from __future__ import annotations

import re
import sqlite3
import time
from contextlib import closing

import pytest

from proxy.ledger.connect import BUSY_MS, cut_log, insert, limited, reader, steady_writer, transaction, writer
from proxy.ledger.errors import QueryTimeout
from proxy.ledger.folder import Folder

_ENDLESS = "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"


def _pragma(conn: sqlite3.Connection, name: str) -> object:
    return conn.execute(f"PRAGMA {name}").fetchone()[0]


def test_writer_survives_power_loss_and_keeps_references(conn: sqlite3.Connection) -> None:
    """F2."""
    names = ("journal_mode", "synchronous", "foreign_keys", "trusted_schema", "journal_size_limit", "temp_store")
    assert [_pragma(conn, name) for name in names] == ["wal", 2, 1, 0, 64 * 1024 * 1024, 2]


def test_writer_does_not_create_a_file(folder: Folder) -> None:
    with pytest.raises(sqlite3.OperationalError):
        writer(folder.path / "other.sqlite3")
    assert not (folder.path / "other.sqlite3").exists()


def test_reader_cannot_write(read: sqlite3.Connection) -> None:
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        read.execute("DELETE FROM journal")


def test_reader_opens_a_path_with_odd_characters(folder: Folder) -> None:
    odd = folder.path / "a?b#c%20 d.sqlite3"
    odd.write_bytes(folder.ledger.read_bytes())
    with closing(reader(odd)) as conn:
        assert conn.execute("SELECT count(*) FROM exchanges").fetchone() == (0,)


def test_transaction_that_raises_changes_nothing(conn: sqlite3.Connection) -> None:
    with pytest.raises(sqlite3.IntegrityError), transaction(conn):
        conn.executemany("INSERT INTO cursors VALUES (?, 1, 1)", [("a",), ("b",), ("a",)])
    assert conn.execute("SELECT count(*) FROM cursors").fetchone() == (0,)


@pytest.mark.parametrize("number", [0, 1, 2, 3, 5, 7, 31, 32, 33, 100, 257])
def test_all_rows_are_inserted_in_their_order_and_what_is_unknown_is_null(
    conn: sqlite3.Connection, number: int
) -> None:
    conn.execute("CREATE TABLE some (a TEXT, b INTEGER, c REAL, d BLOB)")
    rows = [(str(each), None, 0.5 + each, b"d") if each % 2 else (None, each, None, None) for each in range(number)]
    insert(conn, "INSERT INTO some (a, b, c, d)", rows)
    assert conn.execute("SELECT * FROM some ORDER BY rowid").fetchall() == rows


def test_rows_take_few_statements_and_these_are_the_same_again_and_again(conn: sqlite3.Connection) -> None:
    conn.execute("CREATE TABLE some (a TEXT, b INTEGER)")
    done: list[str] = []
    conn.set_trace_callback(lambda sql: done.append(re.sub(r"\d+", "1", sql)))
    for number in range(1, 257):
        insert(conn, "INSERT INTO some (a, b)", [(None, each) for each in range(number)])
    conn.set_trace_callback(None)
    assert len(done) < 256 * 4
    assert len(set(done)) == 16


def test_second_writer_is_refused_at_the_beginning(folder: Folder, conn: sqlite3.Connection) -> None:
    """F7: never in the middle, where a read would have to turn into a write."""
    with closing(writer(folder.ledger, busy_ms=1)) as second, transaction(conn):
        with pytest.raises(sqlite3.OperationalError, match="locked"), transaction(second):
            pytest.fail("a second transaction began")
        assert second.execute("SELECT count(*) FROM journal").fetchone() == (0,)


def test_long_query_is_stopped_and_the_next_one_runs(read: sqlite3.Connection) -> None:
    with pytest.raises(QueryTimeout, match=r"longer than 0\.05 s"), limited(read, 0.05):
        read.execute(_ENDLESS).fetchone()
    with limited(read, 60):
        assert read.execute("SELECT 1").fetchone() == (1,)


def test_other_errors_pass_through_the_limit(read: sqlite3.Connection) -> None:
    with pytest.raises(sqlite3.OperationalError, match="no such table"), limited(read, 60):
        read.execute("SELECT * FROM nowhere")


def test_cutting_the_log_waits_for_nobody_for_long(folder: Folder, conn: sqlite3.Connection) -> None:
    """F6"""
    log = folder.ledger.with_name("ledger.sqlite3-wal")
    with closing(reader(folder.ledger)) as long:
        long.execute("BEGIN")
        long.execute("SELECT count(*) FROM exchanges").fetchone()
        with transaction(conn):
            conn.execute("INSERT INTO ledger_meta VALUES ('a', 'b')")
        begun = time.monotonic()
        assert not cut_log(conn, patience_ms=60_000)
        assert time.monotonic() - begun < 10, "nobody can write while it waits"
    assert cut_log(conn)
    assert log.stat().st_size == 0
    assert conn.execute("PRAGMA busy_timeout").fetchone()[0] == BUSY_MS


def test_log_of_a_steady_writer_is_left_to_the_others_until_it_is_long(
    folder: Folder, conn: sqlite3.Connection
) -> None:
    log = folder.ledger.with_name("ledger.sqlite3-wal")

    def written(by: sqlite3.Connection, megabytes: int) -> int:
        for _ in range(megabytes):
            with transaction(by):
                by.execute("INSERT OR REPLACE INTO ledger_meta VALUES ('large', ?)", ("x" * 1_000_000,))
        return folder.ledger.stat().st_size

    with closing(steady_writer(folder.ledger)) as steady:
        before = folder.ledger.stat().st_size
        assert written(steady, 8) == before
        assert log.stat().st_size > 8_000_000
        assert written(conn, 1) > before
        written(steady, 40)
    assert log.stat().st_size < 16 * 1024 * 1024


def test_deleting_writes_little(folder: Folder, conn: sqlite3.Connection) -> None:
    """D10: a full disk has no room to overwrite what is deleted"""
    log = folder.ledger.with_name("ledger.sqlite3-wal")
    with transaction(conn):
        conn.execute("INSERT INTO ledger_meta VALUES ('large', ?)", ("x" * 4_000_000,))
    assert cut_log(conn)
    with transaction(conn):
        conn.execute("DELETE FROM ledger_meta WHERE name = 'large'")
    assert log.stat().st_size < 400_000
