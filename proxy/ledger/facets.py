"""What the filters of the list offer: how many finished exchanges have which model, endpoint, status …

Counted here when exchanges are closed; a trigger uncounts what is deleted.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from operator import itemgetter

from proxy.ledger.connect import chosen, insert
from proxy.ledger.rows import EXCHANGE_COLUMNS, Value

_FACETS = ("model", "endpoint", "status", "outcome", "operation", "finish_reason", "key")
_CLOSED = "SELECT {} FROM exchanges WHERE request_id".format(", ".join(f'"{facet}"' for facet in _FACETS))  # noqa: S608
_PLACES = {column.name: place for place, column in enumerate(EXCHANGE_COLUMNS)}
_COUNTED = itemgetter(*(_PLACES[facet] for facet in _FACETS))


def count(conn: sqlite3.Connection, request_ids: Sequence[str]) -> None:
    """Count exchanges that were just closed, each once; the caller owns the transaction."""
    _add(conn, list(chosen(conn, _CLOSED, request_ids)))


def count_rows(conn: sqlite3.Connection, rows: Iterable[Sequence[Value]]) -> None:
    """The same, of exchanges whose columns hold these values."""
    _add(conn, [_COUNTED(row) for row in rows])


def _add(conn: sqlite3.Connection, closed: Sequence[Sequence[Value]]) -> None:
    found = [(facet, Counter(values)) for facet, values in zip(_FACETS, zip(*closed, strict=True), strict=False)]
    insert(
        conn,
        "INSERT INTO facets (facet, value, requests)",
        [
            (facet, value, requests)
            for facet, counted in found
            for value, requests in counted.items()
            if value is not None
        ],
        "ON CONFLICT DO UPDATE SET requests = requests + excluded.requests",
    )
