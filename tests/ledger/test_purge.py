"""Removal on demand: exactly what was chosen, down to the last byte in the files."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.exchange import Hop
from proxy.ledger import bodies, counters, cursors, dead_letters, retention
from proxy.ledger.changes import Opened
from proxy.ledger.connect import reader, transaction, writer
from proxy.ledger.filters import Filter
from proxy.ledger.folder import Folder, prepare
from proxy.ledger.processes import hold
from proxy.ledger.purge import Chosen, Purged, choose, purge
from proxy.ledger.verify import verify
from tests.kit.conditions import MEGABYTE, filled, tmpfs
from tests.ledger.samples import SECOND_NS, START_NS, finished, opened, recording, request_id, rows, store

EVERYTHING = Filter(operation="all")
CHANCE = random.Random(1)
MARKS = {number: CHANCE.randbytes(20) for number in range(300)}
"""Bytes that are in one exchange's body only, and no compressor can shorten."""


def fill(folder: Folder, numbers: range) -> None:
    """Opened and finished, as long requests are: the first row leaves its bytes behind, too."""
    ends = [finished(number, content=MARKS[number] + CHANCE.randbytes(3_000)) for number in numbers]
    paths = {number: f"/secret-{number:04d}" for number in numbers}
    store(folder, *(Opened(replace(opened(number), path=paths[number])) for number in numbers))
    store(
        folder,
        *(
            replace(one, exchange=replace(one.exchange, session_id=f"session-{number % 3}", path=paths[number]))
            for number, one in zip(numbers, ends, strict=True)
        ),
    )


def traces(folder: Folder) -> set[int]:
    """Whose path or body stands anywhere in the ledger's files, used or not."""
    data = b"".join(path.read_bytes() for path in folder.path.glob("ledger.sqlite3*"))
    return {number for number, mark in MARKS.items() if mark in data or b"/secret-%04d" % number in data}


def chosen(folder: Folder, *wheres: Filter) -> Chosen:
    with closing(reader(folder.ledger)) as conn:
        return choose(conn, wheres)


@contextmanager
def used(folder: Folder) -> Iterator[None]:
    """Other processes have the ledger open, so that its log is not removed by the last one."""
    with closing(writer(folder.ledger)), closing(reader(folder.ledger)) as conn:
        conn.execute("SELECT count(*) FROM exchanges").fetchone()
        yield


def test_no_byte_of_what_was_purged_is_left_and_the_rest_is_whole(folder: Folder) -> None:
    """F15"""
    with used(folder):
        fill(folder, range(60))
        assert traces(folder) == set(range(60))
        gone = {number for number in range(60) if number % 3 == 1}
        assert purge(folder, [Filter(session_id="session-1", operation="all")]) == Purged(20)
        assert traces(folder) == set(range(60)) - gone
        assert folder.ledger.with_name("ledger.sqlite3-wal").stat().st_size == 0
    with closing(reader(folder.ledger)) as conn:
        kept = bodies.get(conn, request_id(2), Hop.CLIENT_REQUEST)
    assert kept is not None
    assert kept.read().startswith(MARKS[2])
    assert verify(folder) == []


def test_what_retention_had_deleted_before_is_gone_from_free_pages(folder: Folder) -> None:
    fill(folder, range(30))
    with closing(writer(folder.ledger)) as conn, transaction(conn):
        retention.remove(conn, [request_id(number) for number in range(20)])
    assert traces(folder) & set(range(20))
    assert purge(folder, [EVERYTHING]) == Purged(10)
    assert traces(folder) == set()


def test_pieces_go_too_but_for_those_that_another_conversation_still_has(folder: Folder) -> None:
    """F15"""
    said = [b'{"role":"user","content":"%s"}' % (b"secret %d " % number * 90) for number in range(3)]
    for number in range(3):
        messages = b",".join(said[: number + 1])
        store(folder, finished(number, content=b'{"messages":[%s],"padding":"%s"}' % (messages, b" " * 5_000)))
    assert len(rows(folder, "SELECT id FROM pieces")) == 1 + 3
    assert purge(folder, [Filter(request_id=request_id(2), operation="all")]) == Purged(1)
    assert len(rows(folder, "SELECT id FROM pieces")) == 1 + 2
    assert verify(folder) == []
    assert purge(folder, [EVERYTHING]) == Purged(2)
    assert rows(folder, "SELECT id FROM pieces UNION SELECT id FROM nodes UNION SELECT node FROM loose") == []


@pytest.mark.parametrize(
    ("where", "numbers"),
    [
        (Filter(request_id=request_id(4), operation="all"), {4}),
        (Filter(request_id="msg_5", operation="all"), {5}),
        (Filter(session_id="session-0", operation="all"), {0, 3, 6, 9}),
        (Filter(key="caller-abcdefgh", until_ns=START_NS + 3 * SECOND_NS, operation="all"), {0, 1, 2}),
        (Filter(model="SONNET", since_ns=START_NS + 8 * SECOND_NS, operation="all"), {8, 9}),
        (Filter(model="opus", operation="all"), set()),
    ],
)
def test_exactly_what_matches_goes(folder: Folder, where: Filter, numbers: set[int]) -> None:
    fill(folder, range(10))
    assert chosen(folder, where).finished == len(numbers)
    assert purge(folder, [where]) == Purged(len(numbers))
    assert traces(folder) == set(range(10)) - numbers
    left = {row[0] for row in rows(folder, "SELECT request_id FROM exchanges")}
    assert left == {request_id(number) for number in range(10) if number not in numbers}


def test_many_go_in_steps_and_progress_is_told(folder: Folder) -> None:
    fill(folder, range(250))
    told: list[int] = []
    assert purge(folder, [EVERYTHING], told.append) == Purged(250)
    assert told == [100, 100, 50]
    tables = ("exchanges", "attempts", "windows", "limits", "headers", "exchange_bodies", "bodies", "chunks", "facets")
    assert {table: rows(folder, f"SELECT count(*) FROM {table}")[0][0] for table in tables} == dict.fromkeys(tables, 0)


def test_what_is_under_way_stays_and_is_told(folder: Folder) -> None:
    with hold(folder, "p1"):
        store(folder, Opened(opened(1)), finished(2))
        assert chosen(folder, EVERYTHING) == Chosen(1, 1, START_NS + SECOND_NS, START_NS + 2 * SECOND_NS)
        assert purge(folder, [EVERYTHING]) == Purged(1)
        assert rows(folder, "SELECT request_id FROM exchanges") == [(request_id(1),)]


def test_what_no_signal_had_exported_is_counted_for_the_observer(folder: Folder) -> None:
    """L3: in a file like that of a relay, whose process has ended"""
    fill(folder, range(10))
    with closing(writer(folder.ledger)) as conn, transaction(conn):
        for name, seq in (("metrics", 10), ("logs", 4)):
            cursors.set(conn, name, seq)
        dead_letters.add(conn, "logs", 2, request_id(1), "poison")
    purge(folder, [EVERYTHING])
    counted = counters.read_all(folder)
    assert [(name.split("-")[0], each.values["evicted"]) for name, each in counted.items()] == [("purge", 6)]
    assert list(folder.locks.glob("*.lock")) == []
    assert rows(folder, "SELECT count(*) FROM dead_letters") == [(0,)]


def test_recorders_go_on_meanwhile(folder: Folder) -> None:
    fill(folder, range(200))
    with recording(folder) as held:

        def put(_: int) -> None:
            number = 300 + len(done)
            done.append(number)
            held.recorder.put(lambda: finished(number), 100, request_id(number))

        done: list[int] = []
        purge(folder, [Filter(session_id=f"session-{each}", operation="all") for each in range(3)], put)
        assert held.recorder.stop(20)
    assert rows(folder, "SELECT request_id FROM exchanges") == [(request_id(number),) for number in done]
    assert verify(folder) == []


def test_a_reader_that_stays_is_named(folder: Folder) -> None:
    fill(folder, range(3))
    with closing(reader(folder.ledger)) as long:
        long.execute("BEGIN")
        long.execute("SELECT count(*) FROM exchanges").fetchone()
        done = purge(folder, [EVERYTHING], patience_s=0.1)
    assert done == Purged(3, "a program that reads it keeps its log from being cut")
    assert purge(folder, [EVERYTHING]) == Purged(0)
    assert traces(folder) == set()


def test_without_room_to_rewrite_the_requests_go_and_the_room_is_given_back(tmp_path: Path) -> None:
    """D10, F15: the second run finds nothing to remove and does the rest"""
    with tmpfs(tmp_path / "data", 16) as disk:
        folder = Folder(disk)
        prepare(folder)
        for first in range(0, 20, 5):
            store(folder, *(finished(number, content=CHANCE.randbytes(250_000)) for number in range(first, first + 5)))
        with used(folder), filled(disk, leave=3 * MEGABYTE):
            done = purge(folder, [Filter(until_ns=START_NS + 4 * SECOND_NS, operation="all")])
            assert (done.removed, (done.obstacle or "")[:20]) == (4, "to rewrite it, about")
            assert shutil.disk_usage(disk).free > 4 * MEGABYTE
        assert purge(folder, [Filter(until_ns=START_NS + 4 * SECOND_NS, operation="all")]) == Purged(0)
        assert verify(folder) == []
