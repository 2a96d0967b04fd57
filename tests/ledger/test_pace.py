"""When new requests wait for the recorder."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from proxy.ledger.backlog import CROWD
from proxy.ledger.changes import Change
from proxy.ledger.connect import writer
from proxy.ledger.folder import Folder
from tests.ledger.samples import Recording, finished, recording, request_id, rows, wait

MANY = 6 * CROWD


def _put_many(held: Recording, first: int = 0) -> None:
    for number in range(first, MANY):
        held.recorder.put(partial(finished, number), 100, request_id(number))


def _wait_for_all(folder: Folder) -> None:
    closed = "SELECT count(*) FROM exchanges WHERE outcome IS NOT NULL"
    wait(lambda: rows(folder, closed) == [(MANY,)], "all to be committed")


def test_requests_wait_while_the_thread_works_and_does_not_keep_up(folder: Folder) -> None:
    def made(number: int) -> Change:
        time.sleep(0.003)
        return finished(number)

    with recording(folder) as held:
        assert held.recorder.pace() == 0.0
        for number in range(MANY):
            held.recorder.put(partial(made, number), 100, request_id(number))
        wait(lambda: held.recorder.pace() > 0, "a pace")
        _wait_for_all(folder)
        assert held.recorder.pace() == 0.0
        assert held.counters.read().values["requests_paced"] > 0


def test_no_request_waits_for_a_thread_that_is_held_up(folder: Folder) -> None:
    """By a disk that does not answer, or one record that takes long."""
    inside, go_on = threading.Event(), threading.Event()

    def stuck() -> Change:
        inside.set()
        assert go_on.wait(20)
        return finished(0)

    with recording(folder) as held:
        held.recorder.put(stuck, 100, request_id(0))
        assert inside.wait(20)
        _put_many(held, 1)
        began = time.monotonic()
        wait(lambda: held.recorder.pace() == 0.0, "requests to go on")
        assert time.monotonic() - began < 10
        go_on.set()
        _wait_for_all(folder)


def test_no_request_waits_for_a_ledger_in_trouble(folder: Folder) -> None:
    with recording(folder) as held, closing(sqlite3.connect(folder.ledger, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        _put_many(held)
        wait(lambda: "ledger_busy" in held.recorder.degraded(), "the trouble to be seen")
        assert held.recorder.pace() == 0.0
        other.execute("ROLLBACK")
        _wait_for_all(folder)


@pytest.mark.parametrize("seconds", [0.1, 0.3])
def test_no_request_waits_for_a_slow_disk(folder: Folder, seconds: float) -> None:
    def slow(path: Path, busy_ms: int) -> sqlite3.Connection:
        conn = writer(path, busy_ms)
        conn.set_trace_callback(lambda statement: time.sleep(seconds) if statement == "COMMIT" else None)
        return conn

    paces = []
    with recording(folder, connect=slow) as held:
        for number in range(MANY):
            paces.append(held.recorder.pace())
            held.recorder.put(partial(finished, number), 100, request_id(number))
            time.sleep(0.004)
        _wait_for_all(folder)
    assert max(paces) == 0.0
