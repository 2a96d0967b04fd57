"""Who lives, and what the dead left open."""

from __future__ import annotations

import sqlite3
import subprocess
import sys

import pytest

from proxy.exchange import Outcome
from proxy.ledger import processes
from proxy.ledger.changes import Opened
from proxy.ledger.errors import LedgerRefused
from proxy.ledger.folder import Folder
from proxy.ledger.queries import Filter, page
from proxy.ledger.verify import verify
from tests.ledger.samples import closed, finished, opened, request_id, rows, store

_HOLDING = """
import sys, time
from pathlib import Path
from proxy.ledger.folder import Folder
from proxy.ledger.processes import hold
held = hold(Folder(Path(sys.argv[1])), "p1")
print("held", flush=True)
time.sleep(60)
"""


def test_process_is_alive_while_it_holds_its_lock(folder: Folder) -> None:
    assert not processes.alive(folder, "p1")
    with processes.hold(folder, "p1"):
        assert processes.alive(folder, "p1")
    assert not processes.alive(folder, "p1")
    assert list(folder.locks.iterdir()) == []


def test_second_process_of_the_same_name_is_refused(folder: Folder) -> None:
    """F12."""
    with (
        processes.hold(folder, "observer"),
        pytest.raises(LedgerRefused, match=r"observer already runs on .*: stop it or choose another data folder"),
    ):
        processes.hold(folder, "observer", patience=0.05)


def test_killed_process_leaves_interrupted_exchanges_once(folder: Folder, conn: sqlite3.Connection) -> None:
    store(folder, Opened(opened(1)), Opened(opened(2)), finished(3))
    child = subprocess.Popen([sys.executable, "-c", _HOLDING, folder.path], stdout=subprocess.PIPE, text=True)
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        assert processes.close_interrupted(conn, folder) == []
        child.kill()
    assert processes.close_interrupted(conn, folder) == [request_id(1), request_id(2)]
    assert processes.close_interrupted(conn, folder) == []
    assert rows(folder, "SELECT request_id, outcome FROM exchanges ORDER BY request_id") == [
        (request_id(1), "interrupted"),
        (request_id(2), "interrupted"),
        (request_id(3), "ok"),
    ]
    assert rows(folder, "SELECT request_id FROM journal ORDER BY seq") == [(request_id(n),) for n in (3, 1, 2)]
    assert list(folder.locks.iterdir()) == []
    assert verify(folder) == []


def test_open_exchanges_of_the_living_stay_open(folder: Folder, conn: sqlite3.Connection) -> None:
    """Section 0.3 of the laws: a starting worker never closes a living sibling's row."""
    store(folder, Opened(opened(1, "alive")), Opened(opened(2, "dead")))
    with processes.hold(folder, "alive"):
        assert processes.close_interrupted(conn, folder) == [request_id(2)]
        assert [each.exchange.outcome for each in page(conn, Filter())] == [Outcome.INTERRUPTED, None]


def test_late_end_does_not_reopen_what_was_interrupted(folder: Folder, conn: sqlite3.Connection) -> None:
    store(folder, Opened(opened(1)))
    processes.close_interrupted(conn, folder)
    store(folder, finished(1))
    assert rows(folder, "SELECT outcome, (SELECT count(*) FROM journal) FROM exchanges") == [("interrupted", 1)]
    assert closed(1).outcome is Outcome.OK
