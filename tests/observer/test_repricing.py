"""New prices for what is recorded: added, counted from then on, told to nobody."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from proxy.ledger import costs, cursors, queries
from proxy.ledger.changes import Opened
from proxy.ledger.connect import reader, transaction, writer
from proxy.ledger.costs import Cost
from proxy.ledger.filters import Filter
from proxy.ledger.folder import Folder
from proxy.ledger.processes import hold
from proxy.ledger.verify import verify
from proxy.observer.costs import cost_of
from proxy.observer.repricing import Repriced, reprice
from proxy.pricing import PriceTable
from tests.kit.process import wait
from tests.ledger import samples as plain
from tests.observer.samples import (
    SECOND_NS,
    START_NS,
    cursor,
    exchange,
    ledger,
    messages,
    observing,
    otlp,
    refused,
    request_id,
    store,
)
from tests.receiver import receiver

ALL = Filter(operation="all")
OLD = Cost("prices of last year", Decimal("0.5"))
NOW = PriceTable().version


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Nine exchanges priced long ago, and one without a price; all of them projected."""
    folder = ledger(tmp_path)
    store(folder, [*(exchange(number) for number in range(1, 10)), refused(10)])
    with closing(writer(folder.ledger)) as conn, transaction(conn):
        for number in range(1, 10):
            costs.save(conn, request_id(number), OLD)
        cursors.set(conn, "metrics", 10)
    return folder


def cost(folder: Folder, number: int) -> tuple[Cost | None, list[str]]:
    with closing(reader(folder.ledger)) as conn:
        versions = conn.execute(
            "SELECT price_version FROM costs WHERE request_id = ?", (request_id(number),)
        ).fetchall()
        return costs.load_many(conn, [request_id(number)]).get(request_id(number)), sorted(one for (one,) in versions)


def test_a_new_price_counts_and_the_old_one_stays(folder: Folder) -> None:
    assert reprice(folder, ALL) == Repriced(NOW, changed=9, unknown=1)
    assert cost(folder, 1) == (cost_of(exchange(1), PriceTable()), sorted([NOW, OLD.price_version]))
    assert cost(folder, 10) == (None, [])
    with closing(reader(folder.ledger)) as conn:
        assert queries.totals_of(conn, ALL).priced == 9
    assert verify(folder) == []


def test_doing_it_again_changes_nothing(folder: Folder) -> None:
    reprice(folder, ALL)
    before = cost(folder, 1)
    assert reprice(folder, ALL) == Repriced(NOW, unchanged=9, unknown=1)
    assert cost(folder, 1) == before


def test_a_model_that_the_table_no_longer_knows_keeps_its_price(folder: Folder) -> None:
    store(folder, [replace(exchange(11), model="retired", response_model="retired")])
    with closing(writer(folder.ledger)) as conn, transaction(conn):
        costs.save(conn, request_id(11), OLD)
        cursors.set(conn, "metrics", 11)
    assert reprice(folder, Filter(model="retired", operation="all")) == Repriced(NOW, unknown=1)
    assert cost(folder, 11) == (OLD, [OLD.price_version])


def test_only_what_matches_is_priced(folder: Folder) -> None:
    middle = Filter(since_ns=START_NS + 3 * SECOND_NS, until_ns=START_NS + 5 * SECOND_NS, operation="all")
    assert reprice(folder, middle) == Repriced(NOW, changed=2)
    assert [cost(folder, number)[0] == OLD for number in (2, 3, 4, 5)] == [True, False, False, True]


def test_what_the_observer_has_not_come_to_is_left_to_it(folder: Folder) -> None:
    """Else two prices of it could count, one from each"""
    store(folder, [exchange(11)])
    with hold(folder, "p1"):
        plain.store(folder, Opened(replace(exchange(12), process="p1", outcome=None)))
        assert reprice(folder, ALL) == Repriced(NOW, changed=9, unknown=2, waiting=1)
    assert cost(folder, 11) == (None, [])


def test_steps_are_told(tmp_path: Path) -> None:
    folder = ledger(tmp_path)
    store(folder, [exchange(number) for number in range(1, 251)])
    told: list[int] = []
    assert reprice(folder, ALL, told.append).waiting == 250
    assert told == [100, 100, 50, 0]


def test_nothing_is_sent_again_and_the_observer_goes_on(tmp_path: Path) -> None:
    folder = ledger(tmp_path)
    with receiver() as one, observing(folder, otlp(one)):
        store(folder, [exchange(1), exchange(2)])
        wait(lambda: len(messages(one.logs())) == 2 and cursor(folder, "spans") == 2, "both to be exported")
        with closing(writer(folder.ledger)) as conn, transaction(conn):
            costs.save(conn, request_id(1), OLD)
        assert reprice(folder, ALL) == Repriced(NOW, changed=1, unchanged=1)
        store(folder, [exchange(3)])
        wait(lambda: len(messages(one.logs())) == 3 and cursor(folder, "spans") == 3, "the next one to be exported")
        assert messages(one.logs()) == [request_id(number) for number in (1, 2, 3)]
    assert cost(folder, 3)[1] == [NOW]
    assert verify(folder) == []
