"""The tables and how they change."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from dataclasses import fields
from pathlib import Path

import pytest

from proxy.exchange import Attempt, Exchange, Hop, LimitReading, Usage, WindowReading
from proxy.ledger import bodies, processes, queries, schema
from proxy.ledger.connect import reader
from proxy.ledger.folder import Folder, prepare
from proxy.ledger.queries import Filter, Listed
from proxy.ledger.verify import verify
from tests.ledger.samples import closed, finished, request_id, rows, store

VERSION_1 = Path(__file__).parents[1] / "fixtures" / "ledger" / "version-1.sql"


def _columns(folder: Folder, table: str) -> list[str]:
    return [str(row[1]) for row in rows(folder, f'PRAGMA table_info("{table}")')]


def test_exchange_columns_are_the_field_names_of_the_record(folder: Folder) -> None:
    own = {each.name for each in fields(Exchange)} - {"usage", "attempts", "windows", "limits"}
    assert set(_columns(folder, "exchanges")) == own | {each.name for each in fields(Usage)}


@pytest.mark.parametrize(
    ("table", "record"), [("attempts", Attempt), ("windows", WindowReading), ("limits", LimitReading)]
)
def test_child_columns_are_the_field_names_of_their_record(
    folder: Folder, table: str, record: type[Attempt] | type[WindowReading] | type[LimitReading]
) -> None:
    assert set(_columns(folder, table)) == {each.name for each in fields(record)} | {"request_id", "position"}


def test_file_says_whose_it_is_and_can_give_space_back(folder: Folder) -> None:
    assert rows(folder, "PRAGMA application_id") == [(schema.APPLICATION_ID,)]
    assert rows(folder, "PRAGMA user_version") == [(len(schema.scripts()),)]
    assert rows(folder, "PRAGMA auto_vacuum") == [(2,)]
    assert rows(folder, "PRAGMA journal_mode") == [("wal",)]


def test_each_migration_runs_once_and_in_order() -> None:
    conn = sqlite3.connect(":memory:", isolation_level=None)
    schema.migrate(conn, ["CREATE TABLE a (x)"])
    schema.migrate(conn, ["CREATE TABLE a (x)", "ALTER TABLE a ADD COLUMN y; INSERT INTO a VALUES (1, 2)"])
    assert conn.execute("SELECT x, y FROM a").fetchall() == [(1, 2)]
    assert schema.version(conn) == 2
    conn.close()


def test_ledger_of_version_1_is_brought_up_to_date_and_reads_as_before(tmp_path: Path) -> None:
    old = Folder(tmp_path / "old")
    old.path.mkdir()
    with closing(sqlite3.connect(old.ledger)) as conn:
        conn.executescript(VERSION_1.read_text())
        conn.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
        conn.execute("PRAGMA user_version = 1")
    prepare(old)
    assert rows(old, "PRAGMA user_version") == [(len(schema.scripts()),)]
    with closing(reader(old.ledger)) as conn:
        first, second = (bodies.get(conn, request_id(number), Hop.CLIENT_REQUEST) for number in (1, 2))
        assert queries.detail(conn, request_id(1)) == Listed(closed(1), None)
        assert [listed.exchange.request_id for listed in queries.page(conn, Filter())] == [
            request_id(number) for number in (3, 2, 1)
        ]
    assert first is not None
    assert first.read() == b'{"request":1}'
    assert second is not None
    assert hashlib.sha256(second.read()).hexdigest() == second.sha256
    with processes.hold(old, "p1"):
        store(old, finished(3))
        assert verify(old) == []


def test_migration_that_fails_leaves_the_file_as_it_was() -> None:
    """F13."""
    conn = sqlite3.connect(":memory:", isolation_level=None)
    with pytest.raises(sqlite3.OperationalError):
        schema.migrate(conn, ["CREATE TABLE a (x); INSERT INTO nowhere VALUES (1)"])
    assert conn.execute("SELECT count(*) FROM sqlite_schema").fetchone() == (0,)
    assert schema.version(conn) == 0
    assert not conn.in_transaction
    conn.close()
