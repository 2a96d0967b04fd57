"""How far each consumer has come in the journal. A name without a row is a consumer that was never switched on."""

from __future__ import annotations

import sqlite3


def get(conn: sqlite3.Connection, name: str) -> int | None:
    """The last journal number that `name` is done with; None when it was never switched on."""
    row = conn.execute("SELECT seq FROM cursors WHERE name = ?", (name,)).fetchone()
    return None if row is None else int(row[0])


def set(conn: sqlite3.Connection, name: str, seq: int) -> None:
    """Move `name` to `seq`, forward or back, or switch it on there; the caller owns the transaction.

    Dead letters ahead of the new place are forgotten: those rows are to be tried again.
    """
    conn.execute(
        "INSERT INTO cursors (name, seq, start_seq) VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE"
        " SET seq = excluded.seq, start_seq = min(start_seq, excluded.seq)",
        (name, seq, seq),
    )
    conn.execute("DELETE FROM dead_letters WHERE signal = ? AND seq > ?", (name, seq))


def all_of(conn: sqlite3.Connection) -> dict[str, int]:
    """Every cursor by name."""
    return {str(name): int(seq) for name, seq in conn.execute("SELECT name, seq FROM cursors ORDER BY name")}


def remove(conn: sqlite3.Connection, name: str) -> None:
    """Switch `name` off: the journal no longer waits for it."""
    conn.execute("DELETE FROM cursors WHERE name = ?", (name,))
