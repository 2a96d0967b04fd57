"""Facts about the ledger itself: a random identity, made with the file; notes kept by retention."""

from __future__ import annotations

import sqlite3


def instance_id(conn: sqlite3.Connection) -> str:
    """The random id of this ledger: `service.instance.id` of everything exported from it."""
    return get(conn, "instance_id") or ""


def get(conn: sqlite3.Connection, name: str) -> str | None:
    """One note, None when it was never written."""
    row = conn.execute("SELECT value FROM ledger_meta WHERE name = ?", (name,)).fetchone()
    return None if row is None else str(row[0])


def put(conn: sqlite3.Connection, name: str, value: str) -> None:
    """Write one note; the caller owns the transaction."""
    conn.execute(
        "INSERT INTO ledger_meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (name, value),
    )
