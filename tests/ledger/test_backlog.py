"""The bounded queue before the recorder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from proxy.ledger.backlog import CROWD, GROUP_BYTES, GROUP_ROWS, LINGER, ROW_BYTES, STUB_BYTES, Backlog, Entry
from proxy.ledger.changes import Opened
from proxy.ledger.counters import Counters
from proxy.ledger.folder import Folder
from tests.ledger.samples import opened


@dataclass
class _Work:
    """Work that notes what was asked of it."""

    number: int
    sheds: list[int] = field(default_factory=list)

    def __call__(self) -> Opened:
        return Opened(opened(self.number))

    def shed(self) -> None:
        self.sheds.append(self.number)


@pytest.fixture
def counters(folder: Folder) -> Iterator[Counters]:
    counters = Counters.create(folder, "p1")
    yield counters
    counters.close()


def _entry(number: int, held: int = ROW_BYTES, sheds: list[int] | None = None) -> Entry:
    work = _Work(number, [] if sheds is None else sheds)
    return Entry(work, held, f"px_{number}", None if sheds is None else work.shed)


def _ids(group: list[Entry]) -> list[str | None]:
    return [entry.request_id for entry in group]


def _drained(backlog: Backlog) -> list[Entry]:
    entries: list[Entry] = []
    while group := backlog.take():
        entries += group
    return entries


def test_what_waits_comes_in_order_and_in_groups(counters: Counters) -> None:
    backlog = Backlog(counters, 2**30)
    for number in range(GROUP_ROWS + 10):
        backlog.put(_entry(number))
    backlog.close()
    groups = [backlog.take(), backlog.take(), backlog.take()]
    assert [len(group) for group in groups] == [GROUP_ROWS, 10, 0]
    assert _ids(groups[0] + groups[1]) == [f"px_{number}" for number in range(GROUP_ROWS + 10)]


def test_group_is_bounded_by_bytes_but_has_at_least_one(counters: Counters) -> None:
    backlog = Backlog(counters, 2**30)
    for number, held in enumerate((GROUP_BYTES // 2, GROUP_BYTES // 2, 100, GROUP_BYTES * 3, 100)):
        backlog.put(_entry(number, held))
    backlog.close()
    assert [_ids(backlog.take()) for _ in range(3)] == [["px_0", "px_1"], ["px_2"], ["px_3"]]


def test_bodies_go_first_oldest_first_and_no_row_is_lost(counters: Counters) -> None:
    """F9."""
    backlog = Backlog(counters, 100 * ROW_BYTES)
    sheds: list[int] = []
    for number in range(20):
        backlog.put(_entry(number, 10 * ROW_BYTES, sheds))
    backlog.close()
    assert sheds == list(range(12))
    assert counters.read().values["queue_full"] == 12
    assert counters.read().values["records_lost"] == 0
    assert len(_drained(backlog)) == 20


def test_rows_go_last_and_their_exchange_is_still_closed(counters: Counters) -> None:
    backlog = Backlog(counters, 100 * ROW_BYTES)
    for number in range(103):
        backlog.put(_entry(number))
    backlog.close()
    group = _drained(backlog)
    assert [entry.work is None for entry in group] == [False] * 100 + [True] * 3
    assert _ids(group)[-3:] == ["px_100", "px_101", "px_102"]
    assert counters.read().values["records_lost"] == counters.read().values["queue_full"] == 3


def test_memory_is_bounded_whatever_comes(counters: Counters) -> None:
    backlog = Backlog(counters, 100 * ROW_BYTES)
    for number in range(1_000):
        backlog.put(_entry(number))
    backlog.close()
    held = sum(entry.held for entry in _drained(backlog))
    assert held <= 100 * ROW_BYTES * 9 // 8 + STUB_BYTES
    assert counters.read().values["records_lost"] == 900


def test_single_body_larger_than_all_room_is_shed_itself(counters: Counters) -> None:
    backlog = Backlog(counters, 10 * ROW_BYTES)
    sheds: list[int] = []
    backlog.put(_entry(1, 50 * ROW_BYTES, sheds))
    backlog.close()
    assert sheds == [1]
    assert [entry.held for entry in backlog.take()] == [ROW_BYTES]


def test_memory_counts_until_it_is_released(counters: Counters) -> None:
    backlog = Backlog(counters, 10 * ROW_BYTES)
    backlog.put(_entry(1, 9 * ROW_BYTES))
    group = backlog.take()
    assert backlog.pressed
    backlog.release(group)
    assert not backlog.pressed


def test_what_cannot_shed_is_offered_to_the_recorder_once(counters: Counters) -> None:
    backlog = Backlog(counters, 10 * ROW_BYTES)
    heavy = _entry(1, 9 * ROW_BYTES)
    backlog.put(heavy)
    assert backlog.oldest_opaque() is heavy
    assert backlog.oldest_opaque() is None
    backlog.lighten(heavy, _Work(1))
    assert not backlog.pressed
    assert heavy.held == ROW_BYTES


def test_what_was_taken_is_neither_shed_nor_offered(counters: Counters) -> None:
    backlog = Backlog(counters, 10 * ROW_BYTES)
    sheds: list[int] = []
    backlog.put(_entry(1, 4 * ROW_BYTES, sheds))
    backlog.put(_entry(2, 5 * ROW_BYTES))
    assert _ids(backlog.take() + backlog.take()) == ["px_1", "px_2"]
    backlog.put(_entry(3, 9 * ROW_BYTES))
    assert sheds == []
    assert backlog.oldest_opaque() is None


def test_what_comes_after_the_end_is_counted(counters: Counters) -> None:
    backlog = Backlog(counters, 10 * ROW_BYTES)
    backlog.close()
    backlog.put(_entry(1))
    assert backlog.take() == []
    assert (counters.read().values["ledger_error"], counters.read().values["records_lost"]) == (1, 1)


def test_nothing_to_do_is_told_after_a_while_and_the_end_at_once(counters: Counters) -> None:
    backlog = Backlog(counters, 10_000_000)
    assert (backlog.take(0.01), backlog.drained) == ([], False)
    backlog.close()
    assert (backlog.take(60), backlog.drained) == ([], True)


def test_what_has_waited_through_a_slow_commit_does_not_wait_for_others(counters: Counters) -> None:
    """I3: what is over for a tenth of a second is committed."""
    now = [100.0]
    backlog = Backlog(counters, 2**30, clock=lambda: now[0])
    backlog.put(_entry(1))
    now[0] += LINGER
    backlog.put(_entry(2))
    assert _ids(backlog.take()) == ["px_1", "px_2"]


def test_the_first_of_a_group_waits_for_others_from_when_it_came(counters: Counters) -> None:
    asked: list[float] = []

    def clock() -> float:
        asked.append(len(asked) * LINGER / 4)
        return asked[-1]

    backlog = Backlog(counters, 2**30, clock=clock)
    backlog.put(_entry(1))
    assert _ids(backlog.take()) == ["px_1"]
    assert asked[-1] == LINGER


def test_a_crowd_is_as_old_as_its_oldest_that_is_not_committed(counters: Counters) -> None:
    now = iter(range(10_000))
    backlog = Backlog(counters, 2**30, clock=lambda: float(next(now)))
    backlog.put(_entry(0))
    first = backlog.take()
    second = [_entry(number) for number in range(1, 1 + CROWD)]
    for entry in second[:-2]:
        backlog.put(entry)
    assert backlog.crowded_since == float("inf"), "few wait"
    for entry in second[-2:]:
        backlog.put(entry)
    assert backlog.crowded_since == first[0].since
    backlog.release(first)
    assert backlog.crowded_since == second[0].since
    backlog.release(backlog.take())
    assert backlog.crowded_since == float("inf")


def test_the_more_waits_the_larger_the_groups(counters: Counters) -> None:
    backlog = Backlog(counters, 2**30)
    for number in range(8 * GROUP_ROWS):
        backlog.put(_entry(number))
    backlog.close()
    sizes = []
    while group := backlog.take():
        sizes.append(len(group))
    assert sizes[0] == 2 * GROUP_ROWS
    assert sizes == sorted(sizes, reverse=True)
    assert sum(sizes) == 8 * GROUP_ROWS
