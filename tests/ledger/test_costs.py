"""Costs per price version."""

from __future__ import annotations

import json
import sqlite3
from decimal import Decimal

import pytest

from proxy.ledger import costs
from proxy.ledger.changes import Opened
from proxy.ledger.costs import Cost, LineItem
from proxy.ledger.folder import Folder
from tests.ledger.samples import opened, request_id, store

_COST = Cost(
    "2025-11",
    Decimal("0.061006"),
    (
        LineItem("input", 16_527, Decimal("0.049581"), rate_usd_per_million=Decimal("3")),
        LineItem("output", 95, Decimal("0.001425"), rate_usd_per_million=Decimal("15.0")),
        LineItem("web_search", 1, Decimal("0.010"), rate_usd_per_unit=Decimal("0.01")),
    ),
    partial=True,
)


@pytest.fixture(autouse=True)
def _exchange(folder: Folder) -> None:
    store(folder, Opened(opened(1)), Opened(opened(2)))


def _counting(conn: sqlite3.Connection) -> Cost | None:
    return costs.load_many(conn, [request_id(1)]).get(request_id(1))


def test_cost_comes_back_exactly(conn: sqlite3.Connection) -> None:
    costs.save(conn, request_id(1), _COST)
    assert _counting(conn) == _COST
    assert str(_counting(conn).items[1].rate_usd_per_million) == "15.0"  # type: ignore[union-attr]


def test_small_amounts_are_stored_without_exponent(conn: sqlite3.Connection) -> None:
    small = Cost("2025-11", Decimal("4E-8"), (LineItem("input", 1, Decimal("4E-8"), Decimal("4E-2")),))
    costs.save(conn, request_id(1), small)
    assert _counting(conn) == small
    ((total, items),) = conn.execute("SELECT total, items FROM costs").fetchall()
    assert total == "0.00000004"
    assert json.loads(items) == [["input", 1, "0.00000004", "0.04", None]]


def test_exchange_without_a_price_costs_nothing_known(conn: sqlite3.Connection) -> None:
    assert _counting(conn) is None


def test_new_price_version_counts_and_the_old_one_is_kept(conn: sqlite3.Connection) -> None:
    costs.save(conn, request_id(1), _COST)
    repriced = Cost("2025-12", Decimal("1"))
    costs.save(conn, request_id(1), repriced)
    assert _counting(conn) == repriced
    assert conn.execute("SELECT price_version FROM costs ORDER BY 1").fetchall() == [("2025-11",), ("2025-12",)]


def test_many_are_loaded_by_id(conn: sqlite3.Connection) -> None:
    costs.save(conn, request_id(2), _COST)
    assert costs.load_many(conn, [request_id(1), request_id(2)]) == {request_id(2): _COST}


def test_exchanges_that_were_purged_meanwhile_spoil_nothing(conn: sqlite3.Connection) -> None:
    costs.save_first(conn, {request_id(1): _COST, request_id(99): _COST})
    assert set(costs.load_many(conn, [request_id(1), request_id(99)])) == {request_id(1)}
