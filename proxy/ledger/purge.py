"""Removal on demand: chosen exchanges with everything of theirs, then every trace of them in the ledger's files.

Works beside living processes: rows go in small steps, only the rewriting at the end makes writers wait.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from proxy.ledger import processes, retention, space
from proxy.ledger.connect import cut_log, transaction, writer
from proxy.ledger.counters import Counters
from proxy.ledger.errors import LedgerError, LedgerRefused, Trouble, trouble
from proxy.ledger.filters import Filter, clause
from proxy.ledger.folder import Folder
from proxy.ledger.retention import ROWS_PER_STEP

_BUSY_MS = 60_000
"""Another writer may be rewriting, too."""
_PAUSE_S = 0.01
"""Between two steps, so that recorders get their turn."""
READERS_S = 30.0
"""How long readers of the log are waited for."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """What some filters stand for."""

    finished: int
    open: int
    """Still under way: these stay."""
    first_ns: int | None
    """When the earliest was accepted; None when there is none."""
    last_ns: int | None


@dataclass(frozen=True, slots=True)
class Purged:
    """What was done."""

    removed: int
    """Exchanges that are gone."""
    obstacle: str | None = None
    """Why their bytes may still stand in the files, until the same is done again; None = they do not."""


def choose(conn: sqlite3.Connection, wheres: Sequence[Filter]) -> Chosen:
    """Count what would be removed. Filters are meant not to overlap."""
    found = [Chosen(*_counts(conn, where)) for where in wheres]
    times = [each for one in found for each in (one.first_ns, one.last_ns) if each is not None]
    return Chosen(
        sum(one.finished for one in found),
        sum(one.open for one in found),
        min(times, default=None),
        max(times, default=None),
    )


def purge(
    folder: Folder,
    wheres: Sequence[Filter],
    progress: Callable[[int], None] = lambda _: None,
    patience_s: float = READERS_S,
) -> Purged:
    """Remove the finished exchanges that match, and rewrite the ledger without what was ever deleted from it.

    `progress` takes the number of each step; readers are waited for `patience_s` seconds at the end. What a signal had
    not exported is counted as `evicted`. Raises LedgerError when the ledger cannot be used.
    """
    now_ns = time.time_ns()
    if space.full(folder):
        space.release(folder)
    with _connected(folder) as conn, _counting(folder) as counters:
        removed = 0
        for where in wheres:
            for number, unexported in _steps(conn, where.until(now_ns)):
                counters.add("evicted", unexported)
                removed += number
                progress(number)
        while retention.remove_loose(conn):
            time.sleep(_PAUSE_S)
        return Purged(removed, _rewrite(conn, folder, patience_s))


@contextmanager
def _connected(folder: Folder) -> Iterator[sqlite3.Connection]:
    try:
        with closing(writer(folder.ledger, _BUSY_MS)) as conn:
            yield conn
    except sqlite3.Error as error:
        why = "its disk is full: make room" if trouble(error) is Trouble.FULL else f"{error}"
        raise LedgerError(f"the ledger {folder.ledger} could not be purged ({why}), run the command again") from error


@contextmanager
def _counting(folder: Folder) -> Iterator[Counters]:
    """Counters of this process, which the observer adds up once it has ended, like those of a relay."""
    process = f"purge-{os.getpid():x}-{os.urandom(6).hex()}"
    try:
        counters = Counters.create(folder, process)
    except OSError as error:
        raise LedgerRefused(
            f"{folder.path} cannot be written ({error.strerror}): make room, or run this as the proxy's user"
        ) from error
    with closing(counters), processes.hold(folder, process):
        yield counters


def _steps(conn: sqlite3.Connection, where: Filter) -> Iterator[tuple[int, int]]:
    """Remove step by step: how many, and how many of them were not exported."""
    last = ""
    while True:
        with transaction(conn):
            ids = _finished(conn, where, last)
            unexported = retention.remove(conn, ids) if ids else 0
            conn.executemany("DELETE FROM dead_letters WHERE request_id = ?", [(each,) for each in ids])
        if not ids:
            return
        yield len(ids), unexported
        last = ids[-1]
        time.sleep(_PAUSE_S)


def _finished(conn: sqlite3.Connection, where: Filter, after: str) -> list[str]:
    narrowed = clause(conn, where)
    rows = conn.execute(
        f"SELECT e.request_id FROM exchanges AS e {narrowed.index}"  # noqa: S608
        f" WHERE {narrowed.where} AND e.outcome IS NOT NULL AND e.request_id > ? ORDER BY e.request_id LIMIT ?",
        (*narrowed.values, after, ROWS_PER_STEP),
    )
    return [str(row[0]) for row in rows]


def _counts(conn: sqlite3.Connection, where: Filter) -> tuple[int, int, int | None, int | None]:
    narrowed = clause(conn, where)
    row: tuple[int, int, int | None, int | None] = conn.execute(
        "SELECT count(e.outcome), count(*) - count(e.outcome), min(e.started_ns), max(e.started_ns)"  # noqa: S608
        f" FROM exchanges AS e {narrowed.index} WHERE {narrowed.where}",
        narrowed.values,
    ).fetchone()
    return row


def _rewrite(conn: sqlite3.Connection, folder: Folder, patience_s: float) -> str | None:
    """Copy what is left into fresh pages: deleted bytes stand in free pages, in gaps of used ones and in the log.

    Returns what stands in the way.
    """
    conn.execute("PRAGMA temp_store=FILE")
    # The copy belongs on the disk that is known to have room, and with nobody else's eyes on it.
    conn.execute(f"PRAGMA temp_store_directory={_quoted(folder.path)}")
    try:
        conn.execute("VACUUM")
    except sqlite3.OperationalError as error:
        if trouble(error) is not Trouble.FULL:
            raise
        with suppress(sqlite3.OperationalError):
            while cut_log(conn, 1_000) and retention.give_back(conn, least=1):
                pass
        return f"to rewrite it, about {2 * retention.used_bytes(conn) / 1e6:.0f} MB have to be free on its disk"
    deadline = time.monotonic() + patience_s
    while not cut_log(conn, 1_000):
        if time.monotonic() > deadline:
            return "a program that reads it keeps its log from being cut"
    return None


def _quoted(path: Path) -> str:
    return "'" + str(path.absolute()).replace("'", "''") + "'"
