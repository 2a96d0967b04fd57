"""When a series was 0 for the receiver, whatever happened to the exports."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from proxy.ledger import meta
from proxy.ledger.connect import transaction, writer
from proxy.names.metrics import UNPRICED
from proxy.observer.beginnings import Beginnings
from proxy.observer.table import Series
from tests.observer.samples import ledger

S = 1_000_000_000
MS = 1_000_000


@pytest.fixture
def conn(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(writer(ledger(tmp_path).ledger)) as one:
        yield one


def series(started_ns: int) -> Series:
    return Series(UNPRICED, (None,), started_ns)


def test_the_zero_is_a_millisecond_before_the_first_point(conn: sqlite3.Connection) -> None:
    begun = Beginnings(conn)
    begun.sending([series(S)], 10 * S)
    assert begun.zero_ns(series(S)) == 10 * S - MS
    begun.delivered(10 * S)
    assert begun.zero_ns(series(S)) is None


def test_a_restart_after_delivery_sends_no_second_zero(conn: sqlite3.Connection) -> None:
    begun = Beginnings(conn)
    begun.sending([series(S)], 10 * S)
    begun.delivered(10 * S)
    again = Beginnings(conn)
    again.sending([series(S)], 20 * S)
    assert again.zero_ns(series(S)) is None


def test_an_export_of_unknown_fate_is_repeated_with_the_same_zero(conn: sqlite3.Connection) -> None:
    """Killed between export and note, or an answer that was lost: a later zero would be a restart of the counter."""
    Beginnings(conn).sending([series(S)], 10 * S)
    again = Beginnings(conn)
    again.sending([series(S), series(15 * S)], 20 * S)
    assert again.zero_ns(series(S)) == 10 * S - MS
    assert again.zero_ns(series(15 * S)) == 20 * S - MS
    again.delivered(20 * S)
    assert [again.zero_ns(series(at)) for at in (S, 15 * S)] == [None, None]


def test_what_was_certainly_not_taken_begins_with_the_next_try(conn: sqlite3.Connection) -> None:
    begun = Beginnings(conn)
    begun.sending([series(S)], 10 * S)
    begun.refused(10 * S)
    begun.sending([series(S)], 25 * S)
    assert begun.zero_ns(series(S)) == 25 * S - MS


def test_a_zero_too_old_to_be_taken_is_moved(conn: sqlite3.Connection) -> None:
    begun = Beginnings(conn)
    begun.sending([series(S)], 10 * S)
    begun.sending([series(S)], 2_900 * S)
    assert begun.zero_ns(series(S)) == 10 * S - MS
    begun.sending([series(S)], 7_000 * S)
    assert begun.zero_ns(series(S)) == 7_000 * S - MS


def test_nothing_is_written_when_nothing_is_new(conn: sqlite3.Connection) -> None:
    begun = Beginnings(conn)
    begun.sending([series(S)], 10 * S)
    begun.delivered(10 * S)
    before = conn.total_changes
    begun.sending([series(S)], 20 * S)
    begun.delivered(20 * S)
    assert conn.total_changes == before


def test_a_note_that_cannot_be_read_begins_anew(conn: sqlite3.Connection) -> None:
    with transaction(conn):
        meta.put(conn, "metrics_export", "{")
    begun = Beginnings(conn)
    begun.sending([series(S)], 10 * S)
    assert begun.zero_ns(series(S)) == 10 * S - MS
