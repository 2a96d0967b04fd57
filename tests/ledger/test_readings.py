"""The latest rate-limit readings."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

from proxy.exchange import LimitReading, WindowReading
from proxy.ledger.changes import Finished
from proxy.ledger.folder import Folder
from proxy.ledger.readings import Observed, latest_limits, latest_windows
from tests.ledger.samples import closed, request_id, store


def test_latest_reading_of_each_account_and_window_is_found(folder: Folder, read: sqlite3.Connection) -> None:
    readings = {
        1: (WindowReading("a", "5h", 1.0), WindowReading("a", "7d", 2.0), WindowReading("b", "5h", 3.0)),
        2: (WindowReading("a", "5h", 4.0),),
        3: (WindowReading("b", "5h", 5.0),),
    }
    exchanges = {number: replace(closed(number), windows=windows) for number, windows in readings.items()}
    store(folder, *(Finished(exchange) for exchange in exchanges.values()))
    assert latest_windows(read) == [
        Observed(request_id(2), exchanges[2].started_ns, readings[2][0]),
        Observed(request_id(1), exchanges[1].started_ns, readings[1][1]),
        Observed(request_id(3), exchanges[3].started_ns, readings[3][0]),
    ]


def test_latest_limit_of_each_kind_is_found(folder: Folder, read: sqlite3.Connection) -> None:
    older, newer = LimitReading("a", "tokens", 100, 90), LimitReading("a", "tokens", 100, 80)
    store(folder, Finished(replace(closed(1), limits=(older,))), Finished(replace(closed(2), limits=(newer,))))
    assert [each.reading for each in latest_limits(read)] == [newer]


def test_new_ledger_has_no_readings(read: sqlite3.Connection) -> None:
    assert latest_windows(read) == []
    assert latest_limits(read) == []
