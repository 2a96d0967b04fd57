"""Which processes live: each that writes or counts holds a lock file for its life.

The exchanges that a dead process left open are closed here as `interrupted`.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from proxy.exchange import Outcome
from proxy.ledger import facets, journal
from proxy.ledger.connect import transaction
from proxy.ledger.errors import LedgerRefused
from proxy.ledger.folder import Folder
from proxy.ledger.locks import taken, try_lock

_PATIENCE = 5.0
"""Seconds; somebody who only tests the lock lets go of it sooner."""


class Hold:
    """The lock of a living process; also released by the end of the process, however it ends."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor: int | None = descriptor

    def release(self) -> None:
        """Let go and remove the lock file: nothing is left to be closed. Harmless when repeated."""
        if self._descriptor is not None:
            self._path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Hold:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def hold(folder: Folder, process: str, patience: float = _PATIENCE) -> Hold:
    """Take the lock of `process`; raises LedgerRefused when another process has it.

    Must be held before the process writes its first row.
    """
    path = folder.lock(process)
    deadline = time.monotonic() + patience
    while True:
        descriptor = try_lock(path, create=True)
        if descriptor is not None:
            return Hold(path, descriptor)
        if time.monotonic() >= deadline:
            raise LedgerRefused(f"{process} already runs on {folder.path}: stop it or choose another data folder")
        time.sleep(0.02)


def alive(folder: Folder, process: str) -> bool:
    """Whether `process` holds its lock."""
    return taken(folder.lock(process))


def close_interrupted(
    conn: sqlite3.Connection, folder: Folder, clock_ns: Callable[[], int] = time.time_ns
) -> list[str]:
    """Close the open exchanges of dead processes and remove their lock files; returns the ids closed.

    Each gets its journal row in the same transaction, so that it is counted and exported once.
    """
    closed: list[str] = []
    for process in sorted(_owners(conn) | {path.stem for path in folder.locks.glob("*.lock")}):
        with _buried(folder, process) as dead:
            if dead:
                closed += _close(conn, process, clock_ns)
    return closed


def _owners(conn: sqlite3.Connection) -> set[str]:
    return {str(row[0]) for row in conn.execute("SELECT DISTINCT process FROM exchanges WHERE outcome IS NULL")}


def _close(conn: sqlite3.Connection, process: str, clock_ns: Callable[[], int]) -> list[str]:
    find = "SELECT request_id FROM exchanges WHERE process = ? AND outcome IS NULL ORDER BY request_id"
    if conn.execute(find, (process,)).fetchone() is None:
        return []
    with transaction(conn):
        ids = [str(row[0]) for row in conn.execute(find, (process,)).fetchall()]
        conn.executemany(
            "UPDATE exchanges SET outcome = ? WHERE request_id = ?", [(Outcome.INTERRUPTED.value, key) for key in ids]
        )
        facets.count(conn, ids)
        journal.append(conn, ids, clock_ns())
    return ids


@contextmanager
def _buried(folder: Folder, process: str) -> Iterator[bool]:
    """Whether `process` is dead; its lock is kept meanwhile and its lock file removed after."""
    path = folder.lock(process)
    descriptor = try_lock(path)
    if descriptor is None:
        yield not path.exists()
        return
    try:
        yield True
        path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)
