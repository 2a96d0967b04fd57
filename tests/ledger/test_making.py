"""Work that raises, records that shrink: each is counted once, and its exchange is closed."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import partial

import pytest

from proxy.ledger.backlog import Entry
from proxy.ledger.bodies import Packer
from proxy.ledger.changes import Arrived, Change, Opened
from proxy.ledger.counters import Counters
from proxy.ledger.folder import Folder
from proxy.ledger.making import Making
from proxy.ledger.writing import Failed
from tests.ledger.samples import body, finished, opened, request_id


@pytest.fixture
def counters(folder: Folder) -> Iterator[Counters]:
    counters = Counters.create(folder, "p1")
    yield counters
    counters.close()


@pytest.fixture
def making(counters: Counters) -> Making:
    return Making("p1", counters, Packer(), lambda: 7)


def _raises() -> Change:
    raise RuntimeError("no record")


def _is(change: Change) -> Change:
    return change


def test_work_that_raises_closes_its_exchange_and_is_complained_of_once(
    making: Making, counters: Counters, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        made = [making.made(Entry(_raises, 1, request_id(number), None)) for number in range(3)]
    assert [each.change for each in made if each] == [Failed(request_id(number), "p1", 7) for number in range(3)]
    assert counters.read().values["poison"] == 3
    assert len(caplog.records) == 1


def test_work_that_raises_and_finishes_nothing_leaves_nothing(making: Making, counters: Counters) -> None:
    assert making.made(Entry(_raises, 1, None, None)) is None
    assert counters.read().values["poison"] == 1


def test_work_given_up_for_want_of_memory_closes_its_exchange_uncounted(making: Making, counters: Counters) -> None:
    made = making.made(Entry(None, 1, request_id(1), None))
    assert made is not None
    assert made.change == Failed(request_id(1), "p1", 7)
    assert not any(counters.read().values.values())


def test_a_refused_record_loses_bodies_then_all_but_its_end(making: Making, counters: Counters) -> None:
    made = making.made(Entry(lambda: finished(1), 1, request_id(1), None))
    assert made is not None
    sizes = []
    while made is not None:
        sizes.append(made.has_bodies)
        made = making.smaller(made)
    assert sizes[0]
    assert not any(sizes[1:])
    assert len(sizes) > 2
    values = counters.read().values
    assert (values["poison"], values["records_lost"]) == (1, 1)


def test_a_full_disk_costs_the_bodies_of_what_ends(making: Making, counters: Counters) -> None:
    changes: tuple[Change, ...] = (finished(1), Opened(opened(2)))
    made = [making.made(Entry(partial(_is, change), 1, None, None)) for change in changes]
    light = [making.light(each) for each in made if each]
    assert [each.has_bodies for each in light] == [False, False]
    assert counters.read().values["disk_full"] == 1


def test_work_done_before_its_time_gives_the_change_without_bodies(making: Making, counters: Counters) -> None:
    light = making.relieved(Entry(lambda: finished(1), 1, request_id(1), None))
    assert light is not None
    made = making.made(Entry(light, 1, request_id(1), None))
    assert made is not None
    assert not made.has_bodies
    assert counters.read().values["queue_full"] == 1
    assert making.relieved(Entry(_raises, 1, request_id(2), None)) is None


def test_what_comes_before_the_end_is_not_counted_for_the_end_has_it_again(making: Making, counters: Counters) -> None:
    assert making.relieved(Entry(lambda: Arrived(request_id(1), body(b"asked")), 1, None, None)) is not None
    assert counters.read().values["queue_full"] == 0
