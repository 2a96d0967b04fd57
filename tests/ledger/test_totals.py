"""The series that never restart."""

from __future__ import annotations

import sqlite3

from proxy.ledger import totals
from proxy.ledger.totals import Total

_COUNTER = Total("proxy.request.count", (("model", "claude"), ("status_code", 200), ("stream", True)), 3, 100)
_MONEY = Total("proxy.cost", (), 0.051006, 100)
_HISTOGRAM = Total("proxy.request.duration_ms", (("endpoint", "default"),), 1234.5, 100, (0, 2, 1))


def test_series_come_back_as_they_were(conn: sqlite3.Connection) -> None:
    totals.save(conn, [_COUNTER, _MONEY, _HISTOGRAM])
    assert {total.instrument: total for total in totals.load(conn)} == {
        total.instrument: total for total in (_COUNTER, _MONEY, _HISTOGRAM)
    }


def test_integers_stay_integers(conn: sqlite3.Connection) -> None:
    totals.save(conn, [Total("proxy.tokens.input", (), 2**60 + 1, 0)])
    assert totals.load(conn)[0].value == 2**60 + 1


def test_same_series_is_replaced_whatever_the_order_of_labels(conn: sqlite3.Connection) -> None:
    totals.save(conn, [Total("a", (("x", 1), ("b", 2)), 1, 0)])
    totals.save(conn, [Total("a", (("b", 2), ("x", 1)), 5, 0)])
    assert totals.load(conn) == [Total("a", (("b", 2), ("x", 1)), 5, 0)]
