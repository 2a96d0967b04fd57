"""The recorder thread: whole records, in groups, whatever the ledger does meanwhile."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from proxy.exchange import Exchange, Hop, Outcome
from proxy.ledger import bodies, processes
from proxy.ledger.backlog import ROW_BYTES
from proxy.ledger.changes import Arrived, Body, Change, Finished, Opened
from proxy.ledger.connect import cut_log, reader, writer
from proxy.ledger.folder import Folder, prepare
from proxy.ledger.queries import Listed, chunks, detail, headers
from proxy.ledger.verify import verify
from tests.ledger.samples import (
    Recording,
    alter,
    body,
    closed,
    finished,
    flip,
    opened,
    pages_of,
    recording,
    request_id,
    rows,
    store,
    wait,
)
from tests.ledger.test_bodies import conversation

_ALL = "SELECT count(*) FROM exchanges WHERE outcome IS NOT NULL"


def _put(held: Recording, change: Change, size: int = 100) -> None:
    ends = change.exchange.request_id if isinstance(change, Finished) else None
    held.recorder.put(lambda: change, size, ends)


def _slowly(number: int) -> Change:
    time.sleep(0.05)
    return finished(number)


def _found(folder: Folder, number: int) -> Listed:
    with closing(reader(folder.ledger)) as conn:
        found = detail(conn, request_id(number))
    assert found is not None
    return found


def _counted(folder: Folder) -> int:
    return int(str(rows(folder, _ALL)[0][0]))


def _found_any(folder: Folder, number: int) -> bool:
    return rows(folder, "SELECT count(*) FROM exchanges WHERE request_id = ?", request_id(number)) == [(1,)]


def _content(folder: Folder, number: int, hop: Hop) -> bytes | str | None:
    """The stored bytes, or why there are none."""
    with closing(reader(folder.ledger)) as conn:
        found = bodies.get(conn, request_id(number), hop)
    return None if found is None else found.capture or found.read()


def test_whole_record_is_read_back(folder: Folder) -> None:
    with recording(folder) as held:
        _put(held, Opened(opened(1)))
        _put(held, Arrived(request_id(1), body(b'{"request":1}')))
        _put(held, finished(1))
        assert held.recorder.stop(10)
    assert _found(folder, 1) == Listed(closed(1), None)
    with closing(reader(folder.ledger)) as conn:
        assert headers(conn, request_id(1)) == finished(1).headers
        assert chunks(conn, request_id(1)) == list(finished(1).chunks)
        read = {hop: bodies.get(conn, request_id(1), hop) for hop in Hop}
    contents = {hop: each.read() for hop, each in read.items() if each is not None}
    answer = b'answer to {"request":1}'
    assert contents == dict(zip(Hop, (b'{"request":1}', b'{"request":1}', answer, answer), strict=True))
    assert verify(folder) == []


def test_open_row_and_request_body_are_there_before_the_end(folder: Folder) -> None:
    with recording(folder) as held:
        _put(held, Opened(opened(1)))
        _put(held, Arrived(request_id(1), body(b"question")))
        wait(lambda: _content(folder, 1, Hop.CLIENT_REQUEST) == b"question", "the request body")
        assert _found(folder, 1).exchange == opened(1)
        assert rows(folder, "SELECT count(*) FROM journal") == [(0,)]
        _put(held, finished(1, content=b"question"))
    assert _found(folder, 1).exchange == closed(1)
    assert rows(folder, "SELECT seq, request_id FROM journal") == [(1, request_id(1))]
    assert verify(folder) == []


def test_burst_is_committed_in_few_groups(folder: Folder) -> None:
    with recording(folder) as held:
        for number in range(300):
            _put(held, Opened(opened(number)))
            _put(held, finished(number))
        held.recorder.stop(10)
        assert sum(held.counters.read().histograms["commit_ms"].counts) < 30
    assert _counted(folder) == 300
    assert verify(folder) == []


def test_end_told_twice_is_recorded_once(folder: Folder) -> None:
    """L2."""
    with recording(folder) as held:
        for outcome in (Outcome.OK, Outcome.TRUNCATED):
            _put(held, Finished(replace(closed(1), outcome=outcome)))
    assert _found(folder, 1).exchange.outcome is Outcome.OK
    assert verify(folder) == []


def test_end_without_an_outcome_is_an_error_of_ours(folder: Folder) -> None:
    with recording(folder) as held:
        _put(held, Finished(opened(1)))
    assert _found(folder, 1).exchange == replace(opened(1), outcome=Outcome.PROXY_ERROR)


def test_work_that_raises_closes_its_exchange(folder: Folder, caplog: pytest.LogCaptureFixture) -> None:
    """F10: an exception of ours is a record, not a hole."""

    def fail() -> Change:
        raise ZeroDivisionError("broken reader")

    with recording(folder) as held:
        _put(held, Opened(opened(1)))
        _put(held, Opened(opened(2)))
        for number in (1, 3):
            held.recorder.put(fail, 100, request_id(number))
        held.recorder.put(fail, 100)
        _put(held, finished(2))
        held.recorder.stop(10)
        assert held.count("poison") == 3
        assert held.count("records_lost") == 0
    assert _found(folder, 1).exchange == replace(opened(1), outcome=Outcome.PROXY_ERROR, error_type="internal")
    assert _found(folder, 2).exchange == closed(2)
    assert _found(folder, 3).exchange.outcome is Outcome.PROXY_ERROR
    assert caplog.text.count("ZeroDivisionError: broken reader") == 1
    assert verify(folder) == []


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        (Finished(replace(closed(5), status=2**70)), replace(closed(5), status=None)),
        (Finished(replace(closed(5), model="\ud800")), replace(closed(5), model="\ufffd")),
        (
            replace(finished(5), headers={Hop.CLIENT_REQUEST: (("x", b"bytes"),)}),  # type: ignore[dict-item]
            closed(5),
        ),
        (
            Finished(closed(5), bodies={Hop.CLIENT_REQUEST: Body(("text",), 4)}),  # type: ignore[arg-type]
            replace(closed(5), request_capture="poison"),
        ),
        (
            Finished(replace(closed(5), attempts=("no attempt",))),  # type: ignore[arg-type]
            replace(closed(5), attempts=(), windows=(), limits=()),
        ),
        (
            Finished(closed(5), bodies={Hop.CLIENT_REQUEST: Body((b"x",), 2**70)}),
            replace(closed(5), attempts=(), windows=(), limits=()),
        ),
    ],
)
def test_record_that_cannot_be_stored_whole_is_isolated(folder: Folder, change: Finished, kept: Exchange) -> None:
    """F10: the others of its group are stored whole, and of it what can be."""
    with recording(folder) as held:
        for number in range(10):
            _put(held, change if number == 5 else finished(number))
        held.recorder.stop(20)
        assert (held.count("poison"), held.count("records_lost")) == (1, 0)
    if change.bodies and kept.attempts == ():
        kept = replace(kept, request_capture=_found(folder, 5).exchange.request_capture)
    assert _found(folder, 5).exchange == kept
    assert [_found(folder, number).exchange for number in (0, 4, 6, 9)] == [closed(number) for number in (0, 4, 6, 9)]
    assert verify(folder) == []


def test_locked_ledger_is_waited_for(folder: Folder) -> None:
    """F5."""
    with recording(folder) as held:
        with closing(writer(folder.ledger)) as other:
            other.execute("BEGIN EXCLUSIVE")
            for number in range(50):
                _put(held, finished(number))
            wait(lambda: held.recorder.degraded() == ["ledger_busy"], "the recorder to notice")
            assert _counted(folder) == 0
            other.execute("ROLLBACK")
        wait(lambda: _counted(folder) == 50, "the group to be committed")
        wait(lambda: held.recorder.degraded() == [], "the trouble to be over")
        assert held.count("records_lost") == 0
    assert verify(folder) == []


@pytest.mark.parametrize("can_shed", [True, False])
def test_memory_stays_bounded_while_the_ledger_is_locked(folder: Folder, can_shed: bool) -> None:
    """F9: bodies go first and are counted; every row is there in the end."""
    shed: set[int] = set()

    def work(number: int) -> Callable[[], Change]:
        def run() -> Change:
            whole = finished(number, content=b"%d" % number + b"x" * 20_000)
            light = replace(whole, bodies={Hop.CLIENT_REQUEST: Body((), 1, None, "queue_full")})
            return light if number in shed else whole

        return run

    with recording(folder, max_held=100 * ROW_BYTES) as held:
        with closing(writer(folder.ledger)) as other:
            other.execute("BEGIN EXCLUSIVE")
            for number in range(30):
                forget = partial(shed.add, number) if can_shed else None
                held.recorder.put(work(number), 40_000, request_id(number), forget)
                if not can_shed:
                    wait(lambda: "queue_full" not in held.recorder.degraded(), "bodies to be given up")
            other.execute("ROLLBACK")
        assert held.recorder.stop(10)
        dropped = held.count("queue_full")
        assert dropped >= 20
        assert held.count("records_lost") == 0
    assert _counted(folder) == 30
    lost = "SELECT count(*) FROM exchange_bodies WHERE hop = 'client_request' AND capture = 'queue_full'"
    assert rows(folder, lost) == [(dropped,)]
    assert verify(folder) == []


def test_recorder_that_stands_still_costs_bounded_memory(folder: Folder) -> None:
    """F9: the thread is held up inside one record; what waits is bounded by bytes."""
    go = threading.Event()

    def stuck() -> Change:
        go.wait(20)
        return finished(0)

    with recording(folder, max_held=100 * ROW_BYTES) as held:
        held.recorder.put(stuck, 100, request_id(0))
        for number in range(1, 500):
            _put(held, finished(number), 10 * ROW_BYTES)
        assert held.recorder.degraded() == ["queue_full"]
        go.set()
        assert held.recorder.stop(10)
        lost = held.count("records_lost")
    assert rows(folder, "SELECT count(*) FROM exchanges WHERE outcome = 'ok'") == [(500 - lost,)]
    assert verify(folder) == []


def test_full_disk_costs_bodies_first_and_recovers(folder: Folder) -> None:
    """F3: the real error of the real engine, whose file may grow no further."""
    alter(folder, "CREATE TABLE filler (x)", "INSERT INTO filler VALUES (zeroblob(400000))")

    def tight(path: Path, busy_ms: int) -> sqlite3.Connection:
        conn = writer(path, busy_ms)
        pages = conn.execute("PRAGMA page_count").fetchone()[0]
        conn.execute(f"PRAGMA max_page_count = {pages + 20}")
        return conn

    with recording(folder, connect=tight) as held:
        _put(held, finished(1, content=random.Random(1).randbytes(300_000)))
        wait(lambda: _counted(folder) == 1, "the row of what does not fit")
        assert held.count("disk_full") == 1
        wait(lambda: held.recorder.degraded() == [], "the trouble to be over")
        for number in range(2, 60):
            _put(held, finished(number))
        wait(lambda: held.recorder.degraded() == ["disk_full"], "even rows not to fit")
        alter(folder, "DROP TABLE filler")
        wait(lambda: _counted(folder) == 59, "the rows when there is room again")
        wait(lambda: held.recorder.degraded() == [], "the trouble to be over")
        _put(held, finished(60, content=b"fits again"))
        held.recorder.stop(10)
        assert held.count("records_lost") == 0
    assert _content(folder, 1, Hop.CLIENT_REQUEST) == "disk_full"
    assert _found(folder, 1).exchange == replace(closed(1), request_capture="disk_full", response_capture="disk_full")
    assert _content(folder, 60, Hop.CLIENT_REQUEST) == b"fits again"
    assert verify(folder) == []


def test_below_the_watermark_bodies_are_not_stored_and_rows_are(folder: Folder) -> None:
    """D10: long before the disk is full; each request is counted once, though its body came twice"""
    low = threading.Event()
    low.set()
    with recording(folder, low=low.is_set) as held:
        _put(held, Opened(opened(1)))
        _put(held, Arrived(request_id(1), body(b"question")))
        wait(lambda: _found_any(folder, 1), "the open row")
        _put(held, finished(1, content=b"question"))
        wait(lambda: _counted(folder) == 1, "the record")
        assert held.recorder.degraded() == ["disk_low"]
        assert held.count("disk_full") == 1
        low.clear()
        wait(lambda: held.recorder.degraded() == [], "room to be noticed without a request")
        _put(held, finished(2, content=b"next"))
        wait(lambda: _counted(folder) == 2, "the record")
    assert _content(folder, 1, Hop.CLIENT_REQUEST) == "disk_full"
    assert _found(folder, 1).exchange == replace(closed(1), request_capture="disk_full", response_capture="disk_full")
    assert _content(folder, 2, Hop.CLIENT_REQUEST) == b"next"
    assert verify(folder) == []


def test_ledger_that_goes_away_and_comes_back_loses_nothing(folder: Folder) -> None:
    """F4: rows never go into a file that nobody can see."""
    away = folder.path / "away"
    with recording(folder) as held:
        _put(held, finished(1))
        wait(lambda: _counted(folder) == 1, "the first record")
        folder.ledger.rename(away)
        _put(held, finished(2))
        wait(lambda: held.recorder.degraded() == ["ledger_error"], "the recorder to notice")
        away.rename(folder.ledger)
        wait(lambda: _counted(folder) == 2, "the second record")
    assert verify(folder) == []


def test_a_damaged_ledger_takes_what_it_still_can_and_the_rest_is_counted(
    folder: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    """F8: where bodies lie is damaged, then what every record needs; nothing is tried for ever"""
    flip(folder, pages_of(folder, "bodies"))
    with recording(folder) as held:
        _put(held, Opened(opened(1)))
        for number in (1, 2):
            _put(held, finished(number))
        wait(lambda: _counted(folder) == 2, "rows to be stored")
        assert held.recorder.degraded() == ["ledger_damaged"]
        assert (held.count("ledger_error"), held.count("records_lost"), held.count("poison")) == (2, 0, 0)
        with closing(writer(folder.ledger)) as conn:
            assert cut_log(conn)
        flip(folder, pages_of(folder, "journal"))
        for number in range(3, 33):
            _put(held, finished(number))
        _put(held, Opened(opened(33)))
        assert held.recorder.stop(10)
        assert (held.count("ledger_error"), held.count("records_lost"), held.count("poison")) == (32, 30, 0)
    assert _found(folder, 1).exchange == replace(
        closed(1), request_capture="ledger_error", response_capture="ledger_error"
    )
    assert _counted(folder) == 2
    assert caplog.text.count(f"the ledger {folder.ledger} is damaged") == 1
    assert prepare(folder) is not None
    assert not folder.damaged.exists()


def test_damage_that_another_process_met_is_told(folder: Folder) -> None:
    with recording(folder) as held:
        folder.damaged.touch()
        _put(held, finished(1))
        wait(lambda: held.recorder.degraded() == ["ledger_damaged"], "it to be noticed")
    assert _counted(folder) == 1


def test_what_was_stored_in_another_file_is_not_built_on(folder: Folder, tmp_path: Path) -> None:
    """A file that takes the ledger's place has pieces of its own under the same numbers"""
    other = Folder(tmp_path / "other")
    prepare(other)
    store(other, finished(50, content=conversation(9, "carol")))
    with recording(folder) as held:
        _put(held, finished(1, content=conversation(5, "bob")))
        wait(lambda: _counted(folder) == 1, "the first turn")
        with closing(writer(folder.ledger)) as conn:
            assert cut_log(conn)
        other.ledger.replace(folder.ledger)
        for end in ("-wal", "-shm"):
            folder.ledger.with_name(folder.ledger.name + end).unlink(missing_ok=True)
        _put(held, finished(2, content=conversation(6, "bob")))
        assert held.recorder.stop(10)
    assert _content(folder, 2, Hop.CLIENT_REQUEST) == conversation(6, "bob")
    assert verify(folder) == []


def test_a_group_is_made_from_its_end_and_stored_in_its_order(folder: Folder) -> None:
    """Whoever makes an open row knows whether the whole record is in the same group."""
    made: list[str] = []

    def work(name: str, change: Change) -> Callable[[], Change]:
        return lambda: made.append(name) or change  # type: ignore[func-returns-value]

    with recording(folder) as held:
        held.recorder.put(work("open row", Opened(opened(1))), 100)
        held.recorder.put(work("whole record", finished(1)), 100, request_id(1))
        assert held.recorder.stop(10)
    assert made == ["whole record", "open row"]
    assert _found(folder, 1) == Listed(closed(1), None)


def test_stop_gives_up_between_two_records_and_counts_the_rest(folder: Folder) -> None:
    """I1: a flood that takes longer than the end may take"""
    with recording(folder) as held:
        for number in range(50):
            held.recorder.put(partial(_slowly, number), 100, request_id(number))
        assert not held.recorder.stop(0.1)
        assert not held.recorder.stuck
        assert held.count("records_lost") == 50 - _counted(folder)
    assert verify(folder) == []


def test_a_thread_that_does_not_come_back_is_told(folder: Folder) -> None:
    going_on = threading.Event()
    with recording(folder) as held:
        held.recorder.put(lambda: finished(1) if going_on.wait(30) else None, 100, request_id(1))
        wait(lambda: not held.recorder._backlog._queue, "the thread to be at it")
        held.recorder.put(lambda: finished(2), 100, request_id(2))
        assert not held.recorder.stop(0.1)
        assert held.recorder.stuck
        assert held.count("records_lost") == 1
        going_on.set()
        wait(lambda: not held.recorder.stuck, "the thread to end")


def test_stop_that_takes_too_long_gives_up_and_counts(folder: Folder) -> None:
    with recording(folder) as held, closing(writer(folder.ledger)) as other:
        other.execute("BEGIN EXCLUSIVE")
        for number in range(10):
            _put(held, finished(number))
        assert not held.recorder.stop(0.2)
        assert (held.count("ledger_error"), held.count("records_lost")) == (10, 10)
        other.execute("ROLLBACK")
    assert _counted(folder) == 0


def test_memory_is_let_go_of_after_the_commit(folder: Folder) -> None:
    """D14: what is stored is not kept alive by a thread that waits for more."""
    freed = threading.Event()

    class Witness(bytes):
        def __del__(self) -> None:
            freed.set()

    with recording(folder) as held:
        content = Witness(b"x" * 10_000)
        change = Finished(closed(1), bodies={Hop.CLIENT_REQUEST: Body((content,), 10_000)})
        held.recorder.put([change].pop, 10_000, request_id(1))
        del content, change
        assert freed.wait(20)


def test_several_recorders_share_one_ledger(folder: Folder) -> None:
    """Section 0.3: a busy ledger means waiting, not loss."""
    with recording(folder, "p1") as one, recording(folder, "p2") as two:
        for number in range(200):
            _put(one, finished(number * 2, "p1"))
            _put(two, finished(number * 2 + 1, "p2"))
        assert one.recorder.stop(20)
        assert two.recorder.stop(20)
        assert one.count("records_lost") + two.count("records_lost") == 0
    assert _counted(folder) == 400
    assert verify(folder) == []


def test_killed_process_loses_nothing_that_was_committed(folder: Folder) -> None:
    """F1, L1–L3: kill -9 at ten random moments."""
    chance = random.Random(4)
    for attempt in range(10):
        before = _journal(folder)
        arguments = [str(folder.path), f"p{attempt}", str(attempt * 100_000)]
        with subprocess.Popen([sys.executable, "-m", "tests.ledger.killed_writer", *arguments]) as child:
            wait(partial(_grown, folder, before), "the writer to write")
            time.sleep(chance.uniform(0, 0.15))
            seen = _journal(folder)
            child.kill()
        assert _journal(folder) >= seen
        with closing(writer(folder.ledger)) as conn:
            processes.close_interrupted(conn, folder)
    assert set(rows(folder, "SELECT DISTINCT outcome FROM exchanges")) == {("ok",), ("interrupted",)}
    with_body = (
        "SELECT count(*) FROM exchanges AS e WHERE outcome = 'interrupted' AND EXISTS"
        " (SELECT 1 FROM exchange_bodies AS b WHERE b.request_id = e.request_id AND body IS NOT NULL)"
    )
    assert int(str(rows(folder, with_body)[0][0])) > 0
    assert verify(folder) == []


def _grown(folder: Folder, before: int) -> bool:
    return _journal(folder) > before


def _journal(folder: Folder) -> int:
    return int(str(rows(folder, "SELECT count(*) FROM journal")[0][0]))
