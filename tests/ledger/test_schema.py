"""The tables and how they change."""

from __future__ import annotations

import sqlite3
from dataclasses import fields

import pytest

from proxy.exchange import Attempt, Exchange, LimitReading, Usage, WindowReading
from proxy.ledger import schema
from proxy.ledger.folder import Folder
from tests.ledger.samples import rows


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


def test_migration_that_fails_leaves_the_file_as_it_was() -> None:
    """F13."""
    conn = sqlite3.connect(":memory:", isolation_level=None)
    with pytest.raises(sqlite3.OperationalError):
        schema.migrate(conn, ["CREATE TABLE a (x); INSERT INTO nowhere VALUES (1)"])
    assert conn.execute("SELECT count(*) FROM sqlite_schema").fetchone() == (0,)
    assert schema.version(conn) == 0
    assert not conn.in_transaction
    conn.close()
