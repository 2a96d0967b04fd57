"""Deletion by age and size."""

from __future__ import annotations

import random
import sqlite3
from dataclasses import dataclass, replace

from proxy.exchange import Hop
from proxy.ledger import bodies, cursors, journal, processes
from proxy.ledger.changes import Finished, Opened
from proxy.ledger.connect import transaction
from proxy.ledger.folder import Folder
from proxy.ledger.retention import BODIES_PER_STEP, JOURNAL_NS, ROWS_PER_STEP, Trimmed, trim, used_bytes
from proxy.ledger.verify import verify
from tests.ledger.samples import DAY, SECOND_NS, START_NS, closed, finished, opened, request_id, rows, store

_DAY_NS = int(DAY) * SECOND_NS
_COMMIT_NS = START_NS + 1000 * SECOND_NS


@dataclass(frozen=True)
class _Keep:
    """Settings."""

    bodies: float = 7 * DAY
    metadata: float = 90 * DAY
    max_bytes: int = 2**40


def _all(conn: sqlite3.Connection, keep: _Keep, now_ns: int) -> list[tuple[int, int]]:
    """How many bodies and rows each step took."""
    steps, more = [], True
    while more:
        before = _held(conn)
        more = trim(conn, keep, now_ns).more
        steps.append((before[0] - _held(conn)[0], before[1] - _held(conn)[1]))
    return steps


def _held(conn: sqlite3.Connection) -> tuple[int, int]:
    evicted = "SELECT count(*) FROM exchange_bodies WHERE body IS NOT NULL"
    return conn.execute(evicted).fetchone()[0], conn.execute("SELECT count(*) FROM exchanges").fetchone()[0]


def _trimmed(conn: sqlite3.Connection, now_ns: int, signals: list[str] | None = None) -> int:
    """How many rows of the journal one step took."""
    count = "SELECT count(*) FROM journal"
    before = conn.execute(count).fetchone()[0]
    trim(conn, _Keep(), now_ns, signals)
    return int(before - conn.execute(count).fetchone()[0])


def _fill(folder: Folder, number: int, size: int = 0) -> None:
    chance = random.Random(1)
    ends = (finished(each, content=chance.randbytes(size)) for each in range(number))
    store(folder, *ends, now_ns=_COMMIT_NS)


def _count(folder: Folder, table: str) -> object:
    return rows(folder, f"SELECT count(*) FROM {table}")[0][0]


def test_young_things_stay(folder: Folder, conn: sqlite3.Connection) -> None:
    _fill(folder, 5)
    assert trim(conn, _Keep(), START_NS + 6 * _DAY_NS) == Trimmed()
    assert (_count(folder, "exchanges"), _count(folder, "bodies")) == (5, 10)


def test_old_bodies_go_and_what_is_known_of_them_stays(folder: Folder, conn: sqlite3.Connection) -> None:
    _fill(folder, 100)
    steps = _all(conn, _Keep(), START_NS + 7 * _DAY_NS + 50 * SECOND_NS)
    assert sum(given_up for given_up, _ in steps) == 100
    assert max(given_up for given_up, _ in steps) == BODIES_PER_STEP
    young, old = (bodies.get(conn, request_id(number), Hop.CLIENT_REQUEST) for number in (50, 49))
    assert young is not None
    assert young.read() == b'{"request":50}'
    assert old is not None
    assert (old.read(), old.size, old.capture, len(old.sha256 or "")) == (b"", len(b'{"request":49}'), "evicted", 64)
    assert _count(folder, "exchanges") == 100
    assert _count(folder, "bodies") == 100
    assert verify(folder) == []


def test_body_that_a_younger_exchange_shares_stays(folder: Folder, conn: sqlite3.Connection) -> None:
    store(folder, finished(0, content=b"shared"), finished(100, content=b"shared"))
    _all(conn, _Keep(), START_NS + 7 * _DAY_NS + 50 * SECOND_NS)
    found = [bodies.get(conn, request_id(number), Hop.CLIENT_REQUEST) for number in (0, 100)]
    assert [each.read() for each in found if each is not None] == [b"", b"shared"]


def test_old_rows_go_with_everything_of_theirs(folder: Folder, conn: sqlite3.Connection) -> None:
    _fill(folder, 250)
    steps = _all(conn, _Keep(), START_NS + 91 * _DAY_NS)
    assert sum(removed for _, removed in steps) == 250
    assert max(removed for _, removed in steps) == ROWS_PER_STEP
    tables = ("exchanges", "attempts", "windows", "limits", "headers", "exchange_bodies", "bodies", "chunks", "facets")
    assert [_count(folder, table) for table in tables] == [0] * len(tables)
    assert verify(folder) == []


def test_open_rows_are_never_deleted(folder: Folder, conn: sqlite3.Connection) -> None:
    store(folder, Opened(opened(1)))
    with processes.hold(folder, "p1"):
        _all(conn, _Keep(max_bytes=0), START_NS + 1000 * _DAY_NS)
        assert _count(folder, "exchanges") == 1
        assert verify(folder) == []


def test_rows_that_a_signal_has_not_exported_are_counted(folder: Folder, conn: sqlite3.Connection) -> None:
    """Section 0.3 of the laws: what retention takes from a signal is a drop."""
    _fill(folder, 50)
    with transaction(conn):
        cursors.set(conn, "logs", 20)
        cursors.set(conn, "off", 3)
    keep, now_ns = _Keep(), START_NS + 91 * _DAY_NS
    assert trim(conn, keep, now_ns, signals=["logs"]).unexported == 30
    assert verify(folder) == []


def test_large_ledger_gives_up_the_oldest_bodies_first(folder: Folder, conn: sqlite3.Connection) -> None:
    """F11."""
    _fill(folder, 200, size=5_000)
    limit = used_bytes(conn) // 2
    steps = _all(conn, _Keep(max_bytes=limit), START_NS)
    assert used_bytes(conn) <= limit
    assert sum(removed for _, removed in steps) == 0
    assert bodies.get(conn, request_id(199), Hop.CLIENT_REQUEST).read() != b""  # type: ignore[union-attr]
    assert bodies.get(conn, request_id(0), Hop.CLIENT_REQUEST).read() == b""  # type: ignore[union-attr]
    assert verify(folder) == []


def test_rows_go_when_there_are_no_bodies_left(folder: Folder, conn: sqlite3.Connection) -> None:
    _fill(folder, 300)
    steps = _all(conn, _Keep(max_bytes=used_bytes(conn) // 2), START_NS)
    assert 0 < sum(removed for _, removed in steps) < 300
    assert _count(folder, "bodies") == 0
    assert rows(folder, "SELECT max(request_id) FROM exchanges") == [(request_id(299),)]


def test_freed_space_goes_back_to_the_disk(folder: Folder, conn: sqlite3.Connection) -> None:
    _fill(folder, 200, size=20_000)
    conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    before = folder.ledger.stat().st_size
    _all(conn, _Keep(), START_NS + 8 * _DAY_NS)
    conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    assert before > 8_000_000
    assert folder.ledger.stat().st_size < before // 3


def test_journal_is_kept_for_a_week_and_for_every_signal(folder: Folder, conn: sqlite3.Connection) -> None:
    _fill(folder, 30)
    with transaction(conn):
        cursors.set(conn, "logs", 10)
    assert _trimmed(conn, _COMMIT_NS + JOURNAL_NS - SECOND_NS) == 0
    assert _trimmed(conn, _COMMIT_NS + JOURNAL_NS + SECOND_NS) == 10
    assert [row.seq for row in journal.after(conn, 0, 2)] == [11, 12]
    assert _trimmed(conn, _COMMIT_NS + JOURNAL_NS + SECOND_NS, ["spans"]) == 19
    assert journal.after(conn, 0, 2)[0].seq == 30
    with transaction(conn):
        cursors.set(conn, "logs", 29)
    assert verify(folder) == []


def test_journal_rows_from_before_the_clock_was_set_back_are_not_missed(
    folder: Folder, conn: sqlite3.Connection
) -> None:
    began_later = replace(closed(1), started_ns=_COMMIT_NS + _DAY_NS)
    store(folder, finished(2), Finished(began_later), finished(3), now_ns=_COMMIT_NS)
    assert _trimmed(conn, _COMMIT_NS + JOURNAL_NS + SECOND_NS) == 2
    assert verify(folder) == []


def test_a_ledger_a_little_too_large_gives_up_little(folder: Folder, conn: sqlite3.Connection) -> None:
    _fill(folder, 20, 50_000)
    [(given_up, _), *_] = _all(conn, _Keep(max_bytes=used_bytes(conn) - 60_000), START_NS)
    assert 0 < given_up < 5
