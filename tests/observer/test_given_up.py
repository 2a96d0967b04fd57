"""What a signal gave up on."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from proxy.ledger import cursors
from proxy.ledger.connect import transaction, writer
from proxy.ledger.journal import JournalRow
from proxy.observer import given_up
from proxy.observer.delivery.replies import Signal
from tests.ledger.samples import letters
from tests.observer.samples import ledger


def test_a_letter_is_written_and_counted_and_the_count_stays(tmp_path: Path) -> None:
    with closing(writer(ledger(tmp_path).ledger)) as conn:
        with transaction(conn):
            given_up.note(conn, Signal.LOGS, JournalRow(4, 1, "finished", "px_4"), given_up.EXPORT_REJECTED, "why")
        (letter,) = letters(conn)
        assert (letter.signal, letter.seq, letter.request_id, letter.reason, letter.detail) == (
            "logs",
            4,
            "px_4",
            "export_rejected",
            "why",
        )
        with transaction(conn):
            cursors.set(conn, "logs", 0)
        assert letters(conn) == []
        assert given_up.counts(conn) == {"logs": {"export_rejected": 1}}


def test_nothing_was_given_up_at_first(tmp_path: Path) -> None:
    with closing(writer(ledger(tmp_path).ledger)) as conn:
        assert given_up.counts(conn) == {}
