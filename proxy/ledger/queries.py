"""What the inspector, the API and the exports read. Lists never touch bodies."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from proxy.exchange import Attempt, Exchange, Headers, Hop, LimitReading, WindowReading
from proxy.ledger import chunks as chunk_rows
from proxy.ledger import costs
from proxy.ledger import headers as header_rows
from proxy.ledger.costs import Cost
from proxy.ledger.filters import Filter as Filter
from proxy.ledger.filters import clause
from proxy.ledger.rows import (
    ATTEMPT_COLUMNS,
    EXCHANGE_COLUMNS,
    LIMIT_COLUMNS,
    WINDOW_COLUMNS,
    Column,
    Record,
    exchange_of,
    names,
    record_of,
)

FACET_VALUES = 200
"""More values of one kind are no choice but noise (a client can send any model name)."""


@dataclass(frozen=True, slots=True)
class Listed:
    """An exchange with its attempts and readings, and what it cost."""

    exchange: Exchange
    cost: Cost | None
    """None when it has no price (yet)."""


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums over a filter; None when nothing was reported."""

    requests: int
    errors: int
    """Finished with another outcome than `ok`."""
    input_tokens: int | None
    output_tokens: int | None
    cache_read_tokens: int | None
    cache_creation_tokens: int | None
    cost_usd: float | None
    priced: int
    """How many of the requests have a price."""


@dataclass(frozen=True, slots=True)
class Facets:
    """What can be chosen in the filters, most used first; of finished exchanges."""

    models: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    outcomes: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()
    finish_reasons: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()


def page(conn: sqlite3.Connection, where: Filter, before: str | None = None, limit: int = 50) -> list[Listed]:
    """Up to `limit` exchanges older than the id `before` (None = from the newest), newest first."""
    return list(by_ids(conn, _ids(conn, where, "e.request_id < ?", before, "DESC", limit)).values())


def newer(conn: sqlite3.Connection, where: Filter, after: str, limit: int = 50) -> list[Listed]:
    """The `limit` exchanges next after the id `after`, newest first: asking again with the first continues."""
    return list(by_ids(conn, _ids(conn, where, "e.request_id > ?", after, "ASC", limit)).values())


def detail(conn: sqlite3.Connection, request_id: str) -> Listed | None:
    """One exchange by our own id; None when there is none."""
    return by_ids(conn, [request_id]).get(request_id)


def by_ids(conn: sqlite3.Connection, request_ids: Sequence[str]) -> dict[str, Listed]:
    """The exchanges with these ids that exist, newest first."""
    chosen = json.dumps(list(request_ids))
    attempts = _children(conn, "attempts", Attempt, ATTEMPT_COLUMNS, chosen)
    windows = _children(conn, "windows", WindowReading, WINDOW_COLUMNS, chosen)
    limits = _children(conn, "limits", LimitReading, LIMIT_COLUMNS, chosen)
    prices = costs.load_many(conn, request_ids)
    rows = conn.execute(
        f"SELECT {names(EXCHANGE_COLUMNS)} FROM exchanges"  # noqa: S608
        " WHERE request_id IN (SELECT value FROM json_each(?)) ORDER BY request_id DESC",
        (chosen,),
    )
    return {
        row[0]: Listed(
            exchange_of(row, tuple(attempts[row[0]]), tuple(windows[row[0]]), tuple(limits[row[0]])), prices.get(row[0])
        )
        for row in rows
    }


def headers(conn: sqlite3.Connection, request_id: str) -> dict[Hop, Headers]:
    """The headers of every hop that is known."""
    return header_rows.get(conn, request_id)


def chunks(conn: sqlite3.Connection, request_id: str) -> list[tuple[int, float]]:
    """Byte offset and milliseconds since accept of each chunk of the stream; empty when it was none."""
    return chunk_rows.get(conn, request_id)


def pauses(conn: sqlite3.Connection, request_ids: Sequence[str]) -> dict[str, Sequence[int]]:
    """Microseconds from each chunk to the next, by request id; what was no stream is absent."""
    return chunk_rows.pauses_of(conn, request_ids)


def totals_of(conn: sqlite3.Connection, where: Filter) -> Sums:
    """Sums over all exchanges that match."""
    narrowed = clause(conn, where)
    row = conn.execute(
        "SELECT count(*), count(*) FILTER (WHERE e.outcome <> 'ok'), sum(e.input_tokens), sum(e.output_tokens),"  # noqa: S608
        " sum(e.cache_read_tokens), sum(e.cache_creation_tokens), sum(c.total_usd), count(c.total_usd)"
        f" FROM exchanges AS e {narrowed.index}"
        " LEFT JOIN costs AS c ON c.request_id = e.request_id AND c.latest = 1"
        f" WHERE {narrowed.where}",
        narrowed.values,
    ).fetchone()
    return Sums(*row)


def facets(conn: sqlite3.Connection) -> Facets:
    """What can be chosen in the filters."""
    found: dict[str, list[str]] = defaultdict(list)
    for facet, value in conn.execute("SELECT facet, value FROM facets ORDER BY requests DESC, value"):
        if len(found[facet]) < FACET_VALUES:
            found[facet].append(value)
    return Facets(
        models=tuple(found["model"]),
        endpoints=tuple(found["endpoint"]),
        statuses=tuple(found["status"]),
        outcomes=tuple(found["outcome"]),
        operations=tuple(found["operation"]),
        finish_reasons=tuple(found["finish_reason"]),
        keys=tuple(found["key"]),
    )


def _ids(
    conn: sqlite3.Connection, where: Filter, bound: str, edge: str | None, direction: str, limit: int
) -> list[str]:
    narrowed = clause(conn, where)
    conditions, values = narrowed.where, list(narrowed.values)
    if edge is not None:
        conditions, values = f"{conditions} AND {bound}", [*values, edge]
    rows = conn.execute(
        f"SELECT e.request_id FROM exchanges AS e {narrowed.index} WHERE {conditions}"  # noqa: S608
        f" ORDER BY e.request_id {direction} LIMIT ?",
        [*values, limit],
    )
    return [str(row[0]) for row in rows]


def _children(
    conn: sqlite3.Connection, table: str, record: type[Record], columns: Sequence[Column], chosen: str
) -> defaultdict[str, list[Record]]:
    rows = conn.execute(
        f"SELECT request_id, {names(columns)} FROM {table}"  # noqa: S608
        ' WHERE request_id IN (SELECT value FROM json_each(?)) ORDER BY request_id, "position"',
        (chosen,),
    )
    found: defaultdict[str, list[Record]] = defaultdict(list)
    for request_id, *values in rows:
        found[request_id].append(record_of(record, values))
    return found
