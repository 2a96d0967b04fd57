"""What a signal gave up on."""

from __future__ import annotations

import sqlite3

from proxy.ledger import dead_letters
from tests.ledger.samples import Letter, letters


def test_what_was_given_up_is_kept_with_its_reason(conn: sqlite3.Connection) -> None:
    dead_letters.add(conn, "logs", 1, "px_1", "too_old")
    dead_letters.add(conn, "logs", 2, "px_2", "rejected", "no \ud800 please")
    assert letters(conn) == [
        Letter("logs", 2, "px_2", "rejected", "no \ufffd please"),
        Letter("logs", 1, "px_1", "too_old", None),
    ]


def test_one_row_dies_once_per_signal(conn: sqlite3.Connection) -> None:
    for signal, reason in (("logs", "too_old"), ("logs", "rejected"), ("spans", "too_old")):
        dead_letters.add(conn, signal, 1, "px_1", reason)
    assert [(each.signal, each.reason) for each in letters(conn)] == [("spans", "too_old"), ("logs", "too_old")]
