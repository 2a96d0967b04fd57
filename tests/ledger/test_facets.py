"""Counting what the filters offer."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

from proxy.exchange import Outcome
from proxy.ledger import facets, processes
from proxy.ledger.bodies import Packer
from proxy.ledger.changes import Finished, Opened
from proxy.ledger.connect import transaction
from proxy.ledger.folder import Folder
from proxy.ledger.writing import Failed, prepare, write
from tests.ledger.samples import START_NS, closed, finished, opened, request_id, rows, store

_COUNTED = "SELECT value, requests FROM facets WHERE facet = ? ORDER BY value"


def test_each_exchange_is_counted_once_however_often_it_is_closed(folder: Folder) -> None:
    store(folder, Opened(opened(1)), finished(1), finished(1), Finished(replace(closed(2), model="other")))
    store(folder, finished(1))
    assert rows(folder, _COUNTED, "model") == [("claude-sonnet-4-5", 1), ("other", 1)]


def test_open_exchanges_count_when_they_are_found_interrupted(folder: Folder, conn: sqlite3.Connection) -> None:
    store(folder, Opened(opened(1)))
    assert rows(folder, _COUNTED, "outcome") == []
    processes.close_interrupted(conn, folder)
    assert rows(folder, _COUNTED, "outcome") == [(Outcome.INTERRUPTED.value, 1)]


def test_exchange_that_failed_is_counted_by_what_its_open_row_says(folder: Folder, conn: sqlite3.Connection) -> None:
    store(folder, Opened(opened(1)))
    with transaction(conn):
        write(conn, [prepare(Failed(request_id(number), "p1", START_NS), Packer()) for number in (1, 2)], START_NS)
    assert rows(folder, _COUNTED, "outcome") == [(Outcome.PROXY_ERROR.value, 2)]
    assert rows(folder, _COUNTED, "endpoint") == [("", 1), (opened(1).endpoint, 1)]


def test_unknown_values_and_unknown_exchanges_are_not_counted(folder: Folder, conn: sqlite3.Connection) -> None:
    store(folder, Opened(opened(1)))
    with transaction(conn):
        facets.count(conn, [request_id(1), request_id(2)])
    assert rows(folder, _COUNTED, "model") == []
    assert rows(folder, _COUNTED, "endpoint") != []
