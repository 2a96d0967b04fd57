"""The versions of the ledger file. The tables themselves are the SQL scripts in `migrations/`.

A released script is never changed: a new version is one more script.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

APPLICATION_ID = 0x61707879
"""`apxy`: tells our files from other SQLite files."""


def scripts() -> list[str]:
    """The migrations in order; script n brings a file from version n to n + 1."""
    return [path.read_text(encoding="utf-8") for path in sorted(Path(__file__).with_name("migrations").glob("*.sql"))]


def version(conn: sqlite3.Connection) -> int:
    """The file's version; 0 for an empty file."""
    return int(conn.execute("PRAGMA user_version").fetchone()[0])


def migrate(conn: sqlite3.Connection, migrations: list[str]) -> None:
    """Bring an empty or older file to the newest version, each step in one transaction. Raises sqlite3.Error."""
    for number in range(version(conn), len(migrations)):
        script = f"""
            BEGIN IMMEDIATE;
            PRAGMA application_id = {APPLICATION_ID};
            {migrations[number]};
            PRAGMA user_version = {number + 1};
            COMMIT;
        """
        try:
            conn.executescript(script)
        except BaseException:
            if conn.in_transaction:
                conn.execute("ROLLBACK")
            raise
