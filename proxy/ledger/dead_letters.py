"""Journal rows that a signal gave up on, and why; counted, never silently skipped."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass

from proxy.ledger.rows import text


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One journal row that one signal could not deliver."""

    signal: str
    """The name of its cursor: metrics, logs or spans."""
    seq: int
    request_id: str
    reason: str
    detail: str | None
    created_ns: int


def add(
    conn: sqlite3.Connection,
    signal: str,
    seq: int,
    request_id: str,
    reason: str,
    detail: str | None = None,
    now_ns: int | None = None,
) -> None:
    """Note one; a second for the same signal and row changes nothing. The caller owns the transaction."""
    conn.execute(
        "INSERT OR IGNORE INTO dead_letters (signal, seq, request_id, reason, detail, created_ns)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (signal, seq, request_id, reason, detail and text(detail), time.time_ns() if now_ns is None else now_ns),
    )


def page(conn: sqlite3.Connection, limit: int = 100) -> list[DeadLetter]:
    """The newest ones."""
    rows = conn.execute(
        "SELECT signal, seq, request_id, reason, detail, created_ns FROM dead_letters ORDER BY id DESC LIMIT ?",
        (limit,),
    )
    return [DeadLetter(*row) for row in rows]


def count(conn: sqlite3.Connection) -> dict[tuple[str, str], int]:
    """How many there are by (signal, reason)."""
    rows = conn.execute("SELECT signal, reason, count(*) FROM dead_letters GROUP BY signal, reason")
    return {(str(signal), str(reason)): int(number) for signal, reason, number in rows}
