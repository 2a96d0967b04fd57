"""Headers per hop, as JSON pairs in their order; a hop equal to an earlier one is only named."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping

from proxy.exchange import Headers, Hop
from proxy.ledger.rows import text

Rows = list[tuple[str, str | None, str | None]]
"""Hop, pairs as JSON, and the hop with the same pairs."""


def pack(headers: Mapping[Hop, Headers]) -> tuple[Rows, bool]:
    """The rows of one exchange, and whether all pairs could be kept as they were."""
    rows: Rows = []
    intact = True
    for hop, pairs in headers.items():
        same = next((other for other in headers if headers[other] == pairs), hop)
        if same is not hop:
            rows.append((hop.value, None, same.value))
            continue
        clean = [(text(name), text(value)) for name, value in pairs if isinstance(name, str) and isinstance(value, str)]
        intact = intact and clean == [tuple(pair) for pair in pairs]
        kept = json.dumps(clean, ensure_ascii=False, separators=(",", ":"))
        rows.append((hop.value, kept, None))
    return rows, intact


def put(conn: sqlite3.Connection, request_id: str, rows: Rows) -> None:
    """Store what `pack` made; the caller owns the transaction."""
    conn.executemany(
        "INSERT OR REPLACE INTO headers (request_id, hop, pairs, same_as) VALUES (?, ?, ?, ?)",
        [(request_id, *row) for row in rows],
    )


def get(conn: sqlite3.Connection, request_id: str) -> dict[Hop, Headers]:
    """The headers of every hop that is known."""
    rows = conn.execute("SELECT hop, pairs, same_as FROM headers WHERE request_id = ?", (request_id,)).fetchall()
    own = {hop: _pairs(pairs) for hop, pairs, same in rows if same is None}
    found = {Hop(hop): own.get(same or hop, ()) for hop, _, same in rows}
    return {hop: found[hop] for hop in Hop if hop in found}


def _pairs(pairs: str) -> Headers:
    return tuple((name, value) for name, value in json.loads(pairs))
