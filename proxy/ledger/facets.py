"""What the filters of the list offer: how many finished exchanges have which model, endpoint, status …

Counted here when exchanges are closed; a trigger uncounts what is deleted.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Sequence

from proxy.ledger.connect import insert

_FACETS = ("model", "endpoint", "status", "outcome", "operation", "finish_reason", "key")
_COLUMNS = ", ".join(f'"{facet}"' for facet in _FACETS)


def count(conn: sqlite3.Connection, request_ids: Sequence[str]) -> None:
    """Count exchanges that were just closed, each once; the caller owns the transaction."""
    closed = conn.execute(
        f"SELECT {_COLUMNS} FROM exchanges WHERE request_id IN (SELECT value FROM json_each(?))",  # noqa: S608
        (json.dumps(request_ids),),
    ).fetchall()
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
