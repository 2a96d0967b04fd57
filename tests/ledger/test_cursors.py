"""Places in the journal."""

from __future__ import annotations

import sqlite3

from proxy.ledger import cursors, dead_letters
from tests.ledger.samples import letters


def test_name_never_switched_on_has_no_place(conn: sqlite3.Connection) -> None:
    assert cursors.get(conn, "logs") is None


def test_place_is_where_it_was_last_set(conn: sqlite3.Connection) -> None:
    cursors.set(conn, "logs", 3)
    cursors.set(conn, "spans", 5)
    cursors.set(conn, "logs", 7)
    assert cursors.all_of(conn) == {"logs": 7, "spans": 5}
    cursors.remove(conn, "logs")
    assert cursors.all_of(conn) == {"spans": 5}


def test_going_back_forgets_the_dead_letters_ahead(conn: sqlite3.Connection) -> None:
    """L3: what is tried again is pending, not dead."""
    cursors.set(conn, "logs", 9)
    for signal, seq in (("logs", 3), ("logs", 8), ("spans", 8)):
        dead_letters.add(conn, signal, seq, f"px_{seq}", "too_old")
    cursors.set(conn, "logs", 3)
    assert [(letter.signal, letter.seq) for letter in letters(conn)] == [("spans", 8), ("logs", 3)]
