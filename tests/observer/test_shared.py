"""Rows that one thread has read and another one need not."""

from __future__ import annotations

from proxy.ledger.journal import JournalRow
from proxy.observer.shared import HELD_S, MOST_ROWS, Entry, Shared
from tests.observer.samples import request_id


def rows(first: int, last: int) -> list[Entry]:
    return [(JournalRow(seq, seq, "finished", request_id(seq)), None) for seq in range(first, last + 1)]


def numbers(entries: list[Entry]) -> list[int]:
    return [row.seq for row, _ in entries]


def test_rows_are_found_from_any_place_within_them() -> None:
    shared = Shared()
    shared.put(0, rows(1, 3))
    shared.put(3, rows(4, 6))
    assert numbers(shared.after(0, 100)) == [1, 2, 3, 4, 5, 6]
    assert numbers(shared.after(4, 100)) == [5, 6]
    assert numbers(shared.after(0, 3)) == [1, 2, 3]


def test_rows_that_are_not_held_are_to_be_read() -> None:
    shared = Shared()
    shared.put(10, [])
    shared.put(10, rows(13, 14))
    assert shared.after(6, 100) == []
    assert shared.after(14, 100) == []
    assert numbers(shared.after(10, 100)) == [13, 14]


def test_nothing_is_passed_over_where_blocks_do_not_meet() -> None:
    shared = Shared()
    shared.put(5, rows(6, 7))
    shared.put(0, rows(1, 3))
    assert numbers(shared.after(0, 100)) == [1, 2, 3]


def test_what_is_held_is_little_and_not_for_long() -> None:
    now = 100.0
    shared = Shared(lambda: now)
    for first in range(1, 10 * MOST_ROWS, 256):
        shared.put(first - 1, rows(first, first + 255))
    assert shared.after(0, 10) == []
    held = shared.after(9 * MOST_ROWS, 10 * MOST_ROWS)
    assert numbers(held) == list(range(9 * MOST_ROWS + 1, 10 * MOST_ROWS + 1))
    now += HELD_S
    assert shared.after(9 * MOST_ROWS, 1) == []
