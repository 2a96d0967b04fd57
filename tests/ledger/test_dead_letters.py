"""What a signal gave up on."""

from __future__ import annotations

import sqlite3

from proxy.ledger import dead_letters
from proxy.ledger.dead_letters import DeadLetter


def test_newest_is_listed_first_with_its_reason(conn: sqlite3.Connection) -> None:
    dead_letters.add(conn, "logs", 1, "px_1", "too_old", now_ns=10)
    dead_letters.add(conn, "logs", 2, "px_2", "rejected", "no \ud800 please", now_ns=11)
    assert dead_letters.page(conn) == [
        DeadLetter("logs", 2, "px_2", "rejected", "no \ufffd please", 11),
        DeadLetter("logs", 1, "px_1", "too_old", None, 10),
    ]
    assert dead_letters.page(conn, limit=1)[0].seq == 2


def test_one_row_dies_once_per_signal(conn: sqlite3.Connection) -> None:
    for signal, reason in (("logs", "too_old"), ("logs", "rejected"), ("spans", "too_old")):
        dead_letters.add(conn, signal, 1, "px_1", reason)
    assert dead_letters.count(conn) == {("logs", "too_old"): 1, ("spans", "too_old"): 1}
