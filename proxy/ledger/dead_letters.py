"""Journal rows that a signal gave up on, and why; counted, never silently skipped."""

from __future__ import annotations

import sqlite3
import time

from proxy.ledger.rows import text


def add(
    conn: sqlite3.Connection,
    signal: str,
    seq: int,
    request_id: str,
    reason: str,
    detail: str | None = None,
) -> None:
    """Note that a signal (the name of its cursor) could not deliver a row; the caller owns the transaction.

    A second time for the same signal and row changes nothing.
    """
    conn.execute(
        "INSERT OR IGNORE INTO dead_letters (signal, seq, request_id, reason, detail, created_ns)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (signal, seq, request_id, reason, detail and text(detail), time.time_ns()),
    )
