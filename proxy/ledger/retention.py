"""Deletion by age and by size, in steps so small that no writer waits for long; freed space goes back to the disk."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from proxy.ledger import bodies, cursors, journal, meta
from proxy.ledger.connect import transaction
from proxy.ledger.pieces import chains
from proxy.ledger.pieces.chains import BYTES_PER_STEP

BODIES_PER_STEP = 50
BODIES_AT_ONCE = 10
"""Fewer where the size decides: how much they give back is known only afterwards."""
ROWS_PER_STEP = 100
JOURNAL_PER_STEP = 1_000
PAGES_PER_STEP = 256
JOURNAL_NS = 7 * 24 * 3600 * 1_000_000_000
"""How long the journal is kept, so that what was exported can be exported again."""

REMOVED_SEQ = "journal_removed_seq"
"""Note: the highest journal number ever removed."""
REMOVED_NS = "journal_removed_ns"
"""Note: no exchange that began later than this, in Unix nanoseconds, has had its journal row removed."""


class Retention(Protocol):
    """What the settings say: seconds and bytes."""

    @property
    def bodies(self) -> float:
        """Seconds that bodies are kept."""

    @property
    def metadata(self) -> float:
        """Seconds that everything else is kept."""

    @property
    def max_bytes(self) -> int:
        """Bytes that the ledger may use."""


@dataclass(frozen=True, slots=True)
class Trimmed:
    """What one step did."""

    unexported: int = 0
    """Exchanges removed that a signal had not yet exported: to be counted as `evicted`."""
    more: bool = False
    """Another step would do something."""


def trim(
    conn: sqlite3.Connection, retention: Retention, now_ns: int, signals: Collection[str] | None = None
) -> Trimmed:
    """Do one small step of each kind, each in its own transaction; call again while there is `more`.

    `signals` are the names of the cursors that are in use: the journal waits for them (None = for all).
    Raises sqlite3.Error, for instance when another writer holds the ledger for too long.
    """
    done = _old_bodies(conn, now_ns - round(retention.bodies * 1e9))
    rows, unexported = _old_rows(conn, now_ns - round(retention.metadata * 1e9), signals)
    # What a body gives back is known when its pieces are gone.
    swept = remove_loose(conn)
    used = used_bytes(conn)
    if used > retention.max_bytes and not swept:
        dropped = _old_bodies(conn, None, used - retention.max_bytes)
        done += dropped
        if not dropped:
            more_rows, more_unexported = _old_rows(conn, None, signals)
            rows, unexported = rows + more_rows, unexported + more_unexported
    passed = _old_journal(conn, now_ns - JOURNAL_NS, signals)
    _old_dead_letters(conn, now_ns - round(retention.metadata * 1e9))
    vacuumed = give_back(conn)
    more = bool(done or rows or swept or vacuumed) or passed == JOURNAL_PER_STEP
    return Trimmed(unexported, more)


def used_bytes(conn: sqlite3.Connection) -> int:
    """Bytes of the ledger that hold something."""
    pages, free, size = (
        int(conn.execute(f"PRAGMA {name}").fetchone()[0]) for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size


def give_back(conn: sqlite3.Connection, least: int = PAGES_PER_STEP) -> bool:
    """Take one step of giving free pages back to the disk; False when there are fewer than `least`."""
    if conn.execute("PRAGMA freelist_count").fetchone()[0] < least:
        return False
    # A script, because `execute` stops after the first page.
    conn.executescript(f"PRAGMA incremental_vacuum({PAGES_PER_STEP})")
    return True


def remove_loose(conn: sqlite3.Connection) -> int:
    """Take one step of removing the pieces of bodies that are gone; returns how many were looked at, 0 at the end."""
    if conn.execute("SELECT 1 FROM loose LIMIT 1").fetchone() is None:
        return 0
    with transaction(conn):
        return chains.sweep(conn)


def remove(conn: sqlite3.Connection, ids: Sequence[str], signals: Collection[str] | None = None) -> int:
    """Remove exchanges with everything that belongs to them; the caller owns the transaction.

    Returns how many of them one of `signals` (None = any in use) had not exported: to be counted as `evicted`.
    """
    passed = _passed_by_all(conn, signals)
    marks = ", ".join("?" * len(ids))
    entries = conn.execute(
        f"SELECT seq, commit_ns FROM journal WHERE {journal.IS_FINISHED} AND request_id IN ({marks})",  # noqa: S608
        ids,
    ).fetchall()
    references = conn.execute(
        f"SELECT DISTINCT body FROM exchange_bodies WHERE body IS NOT NULL AND request_id IN ({marks})",  # noqa: S608
        ids,
    ).fetchall()
    conn.execute(f"DELETE FROM exchanges WHERE request_id IN ({marks})", ids)  # noqa: S608
    for (reference,) in references:
        bodies.discard(conn, reference)
    _remove_entries(conn, entries)
    return sum(seq > passed for seq, _ in entries)


def _old_bodies(conn: sqlite3.Connection, before_ns: int | None, excess: int = BYTES_PER_STEP) -> int:
    """Give up the oldest bodies of finished exchanges; None = however young, but not many more than `excess` bytes."""
    find = (
        "SELECT s.request_id, s.hop, s.body, e.started_ns, length(b.data)"
        " FROM exchange_bodies AS s INDEXED BY exchange_bodies_stored"
        " CROSS JOIN exchanges AS e ON e.request_id = s.request_id CROSS JOIN bodies AS b ON b.id = s.body"
        " WHERE s.body IS NOT NULL AND e.outcome IS NOT NULL ORDER BY s.request_id LIMIT ?"
    )
    limit = BODIES_PER_STEP if before_ns is not None else BODIES_AT_ONCE

    def chosen() -> list[tuple[str, str, int]]:
        found, passed = [], 0
        for *body, started_ns, size in conn.execute(find, (limit,)).fetchall():
            if (before_ns is None or started_ns < before_ns) and passed < excess:
                found.append((body[0], body[1], body[2]))
            passed += size
        return found

    if not chosen():
        return 0
    with transaction(conn):
        gone = chosen()
        conn.executemany(
            "UPDATE exchange_bodies SET body = NULL, capture = 'evicted' WHERE request_id = ? AND hop = ?",
            [(request_id, hop) for request_id, hop, _ in gone],
        )
        for reference in {reference for _, _, reference in gone}:
            bodies.discard(conn, reference)
    return len(gone)


def _old_rows(conn: sqlite3.Connection, before_ns: int | None, signals: Collection[str] | None) -> tuple[int, int]:
    """Remove the oldest finished exchanges; returns how many, and how many of them were not exported."""
    find = "SELECT request_id FROM exchanges WHERE outcome IS NOT NULL AND started_ns < ? ORDER BY started_ns LIMIT ?"
    limits = (2**62 if before_ns is None else before_ns, ROWS_PER_STEP)
    if conn.execute(find, limits).fetchone() is None:
        return 0, 0
    with transaction(conn):
        ids = [str(row[0]) for row in conn.execute(find, limits).fetchall()]
        return len(ids), remove(conn, ids, signals)


def _old_journal(conn: sqlite3.Connection, before_ns: int, signals: Collection[str] | None) -> int:
    """Remove journal rows that every signal has passed and that are old; the newest row stays for its time."""
    find = (  # an exchange began later than its end was written where the clock was set back between
        "SELECT seq, max(commit_ns, coalesce(started_ns, 0)) FROM journal LEFT JOIN exchanges USING (request_id)"
        " WHERE seq <= ? AND seq < ? AND commit_ns < ? ORDER BY seq LIMIT ?"
    )
    limits = (_passed_by_all(conn, signals), journal.head(conn), before_ns, JOURNAL_PER_STEP)
    if conn.execute(find, limits).fetchone() is None:
        return 0
    with transaction(conn):
        entries = conn.execute(find, limits).fetchall()
        _remove_entries(conn, entries)
    return len(entries)


def _remove_entries(conn: sqlite3.Connection, entries: list[tuple[int, int]]) -> None:
    if not entries:
        return
    conn.executemany("DELETE FROM journal WHERE seq = ?", [(seq,) for seq, _ in entries])
    for note, highest in ((REMOVED_SEQ, max(entries)[0]), (REMOVED_NS, max(ns for _, ns in entries))):
        meta.put(conn, note, str(max(highest, int(meta.get(conn, note) or 0))))


def _old_dead_letters(conn: sqlite3.Connection, before_ns: int) -> None:
    find = "SELECT id FROM dead_letters WHERE created_ns < ? ORDER BY id LIMIT ?"
    ids = conn.execute(find, (before_ns, JOURNAL_PER_STEP)).fetchall()
    if ids:
        with transaction(conn):
            conn.executemany("DELETE FROM dead_letters WHERE id = ?", ids)


def _passed_by_all(conn: sqlite3.Connection, signals: Collection[str] | None) -> int:
    """The journal number that every signal in use is done with."""
    places = [seq for name, seq in cursors.all_of(conn).items() if signals is None or name in signals]
    return min(places, default=journal.head(conn))
