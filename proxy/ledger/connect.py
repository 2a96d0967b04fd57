"""Connections to the ledger with the pragmas every writer and reader needs, and their two idioms.

WAL with `synchronous=FULL`: an acknowledged commit survives power loss.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from proxy.ledger.errors import QueryTimeout
from proxy.ledger.rows import Value

BUSY_MS = 5_000
WAL_LIMIT = 64 * 1024 * 1024
_LONG_LOG = 3_000
"""Pages, 12 MB."""
_ROWS = 128
"""Most rows of one inserting statement."""
_FEW = 8
_INSERTED = 2_500
"""Most values of one: what is prepared takes about a hundred bytes for each, as long as it is kept."""
_VALUES = 512
_STATEMENTS = 256
_NULL = float("nan")
"""What SQLite stores as NULL, and the module binds in a tenth of the time that None takes."""
_STEPS = 2_000
"""Virtual machine steps between two looks at the clock."""


def writer(path: Path, busy_ms: int = BUSY_MS) -> sqlite3.Connection:
    """Open for writing, in autocommit: transactions are begun by `transaction` only.

    `busy_ms` is how long SQLite itself waits for another writer. Raises sqlite3.Error.
    """
    conn = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        isolation_level=None,
        timeout=busy_ms / 1000,
        cached_statements=_STATEMENTS,
    )
    try:
        conn.execute("PRAGMA journal_mode=WAL")
        conn.execute("PRAGMA synchronous=FULL")
        conn.execute(f"PRAGMA journal_size_limit={WAL_LIMIT}")
        conn.execute("PRAGMA wal_autocheckpoint=1000")
        # Debian's SQLite writes every freed page once more, as zeros: then deleting takes as much room as is deleted.
        conn.execute("PRAGMA secure_delete=FAST")
        _tune(conn)
    except BaseException:
        conn.close()
        raise
    return conn


def steady_writer(path: Path, busy_ms: int = BUSY_MS) -> sqlite3.Connection:
    """As `writer`, for one that commits all the time: it leaves to the others to write the log into the ledger.

    That takes as long as many commits. Where the others do not keep up, it is still done before the log is cut.
    """
    conn = writer(path, busy_ms)
    conn.execute(f"PRAGMA wal_autocheckpoint={_LONG_LOG}")
    return conn


def reader(path: Path) -> sqlite3.Connection:
    """Open for reading only; may be handed from thread to thread, one at a time. Raises sqlite3.Error."""
    conn = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro",
        uri=True,
        isolation_level=None,
        timeout=BUSY_MS / 1000,
        check_same_thread=False,
    )
    try:
        conn.execute("PRAGMA query_only=ON")
        _tune(conn)
    except BaseException:
        conn.close()
        raise
    return conn


class Reopened:
    """A connection that is opened when it is needed, and anew when the file is another one."""

    def __init__(self, path: Path, connect: Callable[[Path], sqlite3.Connection]) -> None:
        self._path = path
        self._connect = connect
        self._conn: sqlite3.Connection | None = None
        self._inode = 0

    def connection(self) -> sqlite3.Connection:
        """The connection; raises what opening it raises."""
        # A file that was moved away or deleted would go on taking rows that nobody can ever read.
        if self._conn is not None and self._path.stat().st_ino != self._inode:
            self.close()
        if self._conn is None:
            self._conn = self._connect(self._path)
            self._inode = self._path.stat().st_ino
        return self._conn

    def close(self) -> None:
        """Close it; the next use opens it again."""
        if self._conn is not None:
            self._conn.close()
            self._conn = None


@contextmanager
def transaction(conn: sqlite3.Connection) -> Iterator[None]:
    """`BEGIN IMMEDIATE` … `COMMIT`, rolled back when anything is raised.

    Immediate, because a read transaction that turns writer fails at once whatever the busy timeout is.
    """
    conn.execute("BEGIN IMMEDIATE")
    try:
        yield
        conn.execute("COMMIT")
    except BaseException:
        # SQLite has already rolled back by itself after some errors (full disk, I/O).
        if conn.in_transaction:
            conn.execute("ROLLBACK")
        raise


def insert(conn: sqlite3.Connection, into: str, rows: Sequence[Sequence[Value]], conflict: str = "") -> None:
    """Insert rows, many per statement; `into` is the statement before VALUES, `conflict` what follows.

    At each step of SQLite the interpreter changes threads where another one waits, which costs more than a row.
    """
    start = 0
    while start < len(rows):
        columns = len(rows[0])
        most = min(_ROWS, _INSERTED // columns, len(rows) - start)
        statement, size = _statement(into, conflict, columns, most)
        values = [_NULL if value is None else value for row in rows[start : start + size] for value in row]
        conn.execute(statement, values)
        start += size


def chosen(conn: sqlite3.Connection, select: str, values: Sequence[Value]) -> Iterator[tuple[Value, ...]]:
    """The rows that `select … IN` finds for any of many values; as few different statements as `insert`."""
    for start in range(0, len(values), _VALUES):
        some = list(values[start : start + _VALUES])
        size = 1 << (len(some) - 1).bit_length()
        marks = ", ".join("?" * size)
        yield from conn.execute(f"{select} IN ({marks})", some + some[:1] * (size - len(some))).fetchall()


def cut_log(conn: sqlite3.Connection, patience_ms: int = 50) -> bool:
    """Write the log into the ledger and cut it to nothing; False when a reader or a writer is in the way.

    Nobody can write while it waits for readers: so nothing is cut before all is written, which holds up nobody, and
    patience is short. Raises sqlite3.Error, for a full disk too.
    """
    busy, log, written = conn.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    if busy or written < log:
        return False
    usual = conn.execute("PRAGMA busy_timeout").fetchone()[0]
    conn.execute(f"PRAGMA busy_timeout={patience_ms}")
    try:
        blocked: int = conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    finally:
        conn.execute(f"PRAGMA busy_timeout={usual}")
    return not blocked


@contextmanager
def limited(conn: sqlite3.Connection, seconds: float = 1.0) -> Iterator[None]:
    """Stop whatever is read inside after `seconds`: raises QueryTimeout."""
    deadline = time.monotonic() + seconds
    conn.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)
    try:
        yield
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_INTERRUPT:
            raise QueryTimeout(f"the query took longer than {seconds:g} s: narrow it by time or model") from error
        raise
    finally:
        conn.set_progress_handler(None, 0)


@lru_cache(_STATEMENTS)
def _statement(into: str, conflict: str, columns: int, rows: int) -> tuple[str, int]:
    """A statement for the first of `rows`, and how many it takes: 1 to 8, 12, 16, 24 …, so that few are prepared."""
    size = rows if rows <= _FEW else 1 << (rows.bit_length() - 1)
    if size + size // 2 <= rows:
        size += size // 2
    marks = f"({', '.join('?' * columns)})"
    return f"{into} VALUES {', '.join([marks] * size)} {conflict}", size


def _tune(conn: sqlite3.Connection) -> None:
    conn.execute("PRAGMA temp_store=MEMORY")
    conn.execute("PRAGMA foreign_keys=ON")
    conn.execute("PRAGMA trusted_schema=OFF")
    conn.execute("PRAGMA cache_size=-16000")
