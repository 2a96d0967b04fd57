"""The order of commits: one row per finished exchange, which the observer reads behind its cursors."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from proxy.ledger.connect import insert

FINISHED = "finished"
"""The exchange is over and will not change."""
IS_FINISHED = f"kind = '{FINISHED}'"
"""In SQL: not bound, because only so the index of these rows can be used."""


class JournalRow(NamedTuple):
    """One commit of one exchange."""

    seq: int
    commit_ns: int
    """Unix nanoseconds, strictly increasing from row to row even when the clock steps back."""
    kind: str
    request_id: str


def append(conn: sqlite3.Connection, request_ids: Iterable[str], now_ns: int) -> None:
    """Add one `finished` row per id; the caller owns the transaction."""
    last = conn.execute("SELECT commit_ns FROM journal ORDER BY seq DESC LIMIT 1").fetchone()
    start = now_ns if last is None else max(now_ns, last[0] + 1)
    rows = [(start + offset, FINISHED, request_id) for offset, request_id in enumerate(request_ids)]
    insert(conn, "INSERT INTO journal (commit_ns, kind, request_id)", rows)


def after(conn: sqlite3.Connection, seq: int, limit: int) -> list[JournalRow]:
    """Up to `limit` rows behind `seq`, in order of commit."""
    rows = conn.execute(
        "SELECT seq, commit_ns, kind, request_id FROM journal WHERE seq > ? ORDER BY seq LIMIT ?", (seq, limit)
    )
    return [*map(JournalRow._make, rows)]


def ahead(conn: sqlite3.Connection, seq: int, request_ids: Sequence[str]) -> set[str]:
    """Which of these exchanges a cursor at `seq` has not passed yet."""
    rows = conn.execute(
        f"SELECT request_id FROM journal WHERE {IS_FINISHED} AND seq > ?"  # noqa: S608
        " AND request_id IN (SELECT value FROM json_each(?))",
        (seq, json.dumps(list(request_ids))),
    )
    return {str(row[0]) for row in rows}


def head(conn: sqlite3.Connection) -> int:
    """The highest number ever given; 0 for a new ledger."""
    row = conn.execute("SELECT seq FROM sqlite_sequence WHERE name = 'journal'").fetchone()
    return 0 if row is None else int(row[0])


def seq_before(conn: sqlite3.Connection, since_ns: int) -> int:
    """Where a cursor must stand so that everything committed at or after `since_ns` is ahead of it."""
    row = conn.execute("SELECT min(seq) FROM journal WHERE commit_ns >= ?", (since_ns,)).fetchone()
    return head(conn) if row[0] is None else int(row[0]) - 1
