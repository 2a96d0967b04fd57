"""What an exchange cost: line items per price version. Amounts are decimals, stored as text; sums use the float."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import msgspec

from proxy.ledger.connect import chosen, insert


@dataclass(frozen=True, slots=True)
class LineItem:
    """One priced fee."""

    fee_item: str
    quantity: int
    """Tokens, or units of a fee that is charged per unit."""
    amount_usd: Decimal
    rate_usd_per_million: Decimal | None = None
    """Per million tokens; None for a fee charged per unit."""
    rate_usd_per_unit: Decimal | None = None
    """None for a fee charged per million tokens."""


@dataclass(frozen=True, slots=True)
class Cost:
    """The priced exchange, in USD."""

    price_version: str
    total_usd: Decimal
    items: tuple[LineItem, ...] = ()
    partial: bool = False
    """The usage it was computed from is not final."""


def save(conn: sqlite3.Connection, request_id: str, cost: Cost) -> None:
    """Add the cost of one price version, which becomes the one that counts; the caller owns the transaction."""
    conn.execute("UPDATE costs SET latest = 0 WHERE request_id = ? AND latest = 1", (request_id,))
    save_first(conn, {request_id: cost})


def save_first(conn: sqlite3.Connection, found: Mapping[str, Cost]) -> None:
    """Add the costs of exchanges that have none yet, by request id; the caller owns the transaction.

    Exchanges that have been purged meanwhile get none.
    """
    there = {row[0] for row in chosen(conn, "SELECT request_id FROM exchanges WHERE request_id", list(found))}
    rows = [
        (
            request_id,
            cost.price_version,
            1,
            _digits(cost.total_usd),
            float(cost.total_usd),
            msgspec.json.encode([_packed(item) for item in cost.items]).decode(),
            int(cost.partial),
        )
        for request_id, cost in found.items()
        if request_id in there
    ]
    insert(
        conn,
        "INSERT OR REPLACE INTO costs (request_id, price_version, latest, total, total_usd, items, partial)",
        rows,
    )


def load_many(conn: sqlite3.Connection, request_ids: Sequence[str]) -> dict[str, Cost]:
    """The costs that count, by request id; ids without a price are absent."""
    rows = conn.execute(
        "SELECT request_id, price_version, total, items, partial FROM costs"
        " WHERE latest = 1 AND request_id IN (SELECT value FROM json_each(?))",
        (json.dumps(list(request_ids)),),
    )
    return {
        request_id: Cost(version, Decimal(total), tuple(_item(*item) for item in json.loads(items)), bool(partial))
        for request_id, version, total, items, partial in rows
    }


def _packed(item: LineItem) -> list[str | int | None]:
    return [
        item.fee_item,
        item.quantity,
        _digits(item.amount_usd),
        None if item.rate_usd_per_million is None else _digits(item.rate_usd_per_million),
        None if item.rate_usd_per_unit is None else _digits(item.rate_usd_per_unit),
    ]


def _digits(amount: Decimal) -> str:
    """Every digit and no exponent, for whoever reads the ledger by other means."""
    return f"{amount:f}"


def _item(fee: str, quantity: int, amount: str, per_million: str | None, per_unit: str | None) -> LineItem:
    return LineItem(
        fee,
        quantity,
        Decimal(amount),
        None if per_million is None else Decimal(per_million),
        None if per_unit is None else Decimal(per_unit),
    )
