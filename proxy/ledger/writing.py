"""Changes as rows: made ready outside the transaction, written inside it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import zstandard

from proxy.exchange import Exchange, Hop, Outcome, UsageSource
from proxy.ledger import bodies, chunks, facets, headers, journal
from proxy.ledger.changes import Arrived, Body, Change, Finished, Opened
from proxy.ledger.rows import (
    ATTEMPT_COLUMNS,
    EXCHANGE_COLUMNS,
    LIMIT_COLUMNS,
    WINDOW_COLUMNS,
    Column,
    Value,
    exchange_row,
    names,
    row,
    text,
)

_CHILDREN = (("attempts", ATTEMPT_COLUMNS), ("windows", WINDOW_COLUMNS), ("limits", LIMIT_COLUMNS))


@dataclass(frozen=True, slots=True)
class Failed:
    """What should have finished an exchange could not be made: it is closed as an error of ours."""

    request_id: str
    process: str
    now_ns: int


@dataclass(slots=True)
class Prepared:
    """One change, ready to be written."""

    change: Change | Failed
    request_id: str
    values: list[Value] = field(default_factory=list)
    intact: bool = True
    """Everything could be kept as it was."""
    children: list[tuple[str, list[list[Value]]]] = field(default_factory=list)
    headers: str = "{}"
    bodies: dict[Hop, bodies.Packed | Hop] = field(default_factory=dict)
    chunks: bytes | None = None
    reduced: bool = False
    """Already less than what was to be stored."""

    @property
    def has_bodies(self) -> bool:
        """Whether bytes of a body are in it."""
        return any(isinstance(body, bodies.Packed) and body.kept for body in self.bodies.values())

    def compress(self, conn: sqlite3.Connection, compressor: zstandard.ZstdCompressor) -> None:
        """Compress what is new, before the transaction."""
        for body in self.bodies.values():
            if isinstance(body, bodies.Packed):
                bodies.compress_new(conn, body, compressor)

    @property
    def finishes(self) -> bool:
        """Whether it closes the exchange."""
        return isinstance(self.change, Finished | Failed)

    @property
    def closing(self) -> str:
        """The statement that closes it; of an exchange that failed, an open row keeps what it says."""
        return _FAIL if isinstance(self.change, Failed) else _CLOSE


def prepare(change: Change | Failed, compressor: zstandard.ZstdCompressor) -> Prepared:
    """Make ready what `write` needs: values SQLite can hold, hashed bodies. May raise on absurd values."""
    if isinstance(change, Failed):
        return Prepared(change, text(change.request_id), _failed_row(change))
    if isinstance(change, Arrived):
        return Prepared(change, text(change.request_id), bodies={Hop.CLIENT_REQUEST: bodies.pack(change.body)})
    exchange = change.exchange
    if isinstance(change, Finished) and exchange.outcome is None:
        exchange = replace(exchange, outcome=Outcome.PROXY_ERROR)
    values, intact = exchange_row(exchange)
    ready = Prepared(change, str(values[0]), values, intact)
    if isinstance(change, Finished):
        _prepare_rest(ready, change, compressor)
    return ready


def without_bodies(change: Change, reason: str) -> Change:
    """The same change, its bodies' bytes given up for `reason`."""
    if isinstance(change, Arrived):
        return replace(change, body=_emptied(change.body, reason))
    if isinstance(change, Opened):
        return change
    emptied = {hop: _emptied(body, reason) if isinstance(body, Body) else body for hop, body in change.bodies.items()}
    lost = [hop for hop, body in change.bodies.items() if isinstance(body, Body) and any(body.chunks)]
    exchange = change.exchange
    if Hop.CLIENT_REQUEST in lost:
        exchange = replace(exchange, request_capture=reason)
    if Hop.UPSTREAM_RESPONSE in lost or Hop.CLIENT_RESPONSE in lost:
        exchange = replace(exchange, response_capture=reason)
    return replace(change, exchange=exchange, bodies=emptied)


def smaller(change: Change | Failed, failed: Failed | None) -> Change | Failed | None:
    """What to try when `change` cannot be stored: less of it, at last only that it failed; None = nothing is left."""
    if not isinstance(change, Finished):
        return None
    if any(isinstance(body, Body) and body.chunks for body in change.bodies.values()):
        return without_bodies(change, "poison")
    bare = Finished(replace(change.exchange, attempts=(), windows=(), limits=()))
    return bare if bare != change else failed


def write(conn: sqlite3.Connection, ready: Sequence[Prepared], now_ns: int) -> None:
    """Write a group in order; the caller owns the transaction. Each exchange closed here gets its journal row.

    An exchange that is already closed stays as it is.
    """
    closing = {each.request_id for each in ready if isinstance(each.change, Finished)}
    closed: list[str] = []
    for each in ready:
        if isinstance(each.change, Opened) and each.request_id not in closing:
            conn.execute(_OPEN, each.values)
        elif each.finishes and conn.execute(each.closing, each.values).rowcount > 0:
            _write_rest(conn, each)
            closed.append(each.request_id)
    # A request body may have come in the same group as its exchange, whose row must be there first.
    for each in ready:
        if isinstance(each.change, Arrived) and _exists(conn, each.request_id):
            bodies.put(conn, each.request_id, each.bodies, keep=True)
    facets.count(conn, closed)
    journal.append(conn, closed, now_ns)


def _prepare_rest(ready: Prepared, change: Finished, compressor: zstandard.ZstdCompressor) -> None:
    exchange = change.exchange
    for (table, columns), records in zip(
        _CHILDREN, (exchange.attempts, exchange.windows, exchange.limits), strict=True
    ):
        rows = [row(record, columns) for record in records]
        ready.intact = ready.intact and all(intact for _, intact in rows)
        if rows:
            ready.children.append((table, [values for values, _ in rows]))
    ready.headers, intact = headers.pack(change.headers)
    ready.intact = ready.intact and intact
    ready.bodies = {hop: bodies.pack(body) if isinstance(body, Body) else body for hop, body in change.bodies.items()}
    ready.chunks = chunks.pack(change.chunks, compressor) if change.chunks else None


def _write_rest(conn: sqlite3.Connection, ready: Prepared) -> None:
    for table, rows in ready.children:
        conn.executemany(_INSERT[table], [[ready.request_id, place, *values] for place, values in enumerate(rows)])
    headers.put(conn, ready.request_id, ready.headers)
    bodies.put(conn, ready.request_id, ready.bodies)
    if ready.chunks is not None:
        conn.execute("INSERT OR REPLACE INTO chunks VALUES (?, ?)", (ready.request_id, ready.chunks))


def _exists(conn: sqlite3.Connection, request_id: str) -> bool:
    return conn.execute("SELECT 1 FROM exchanges WHERE request_id = ?", (request_id,)).fetchone() is not None


def _emptied(body: Body, reason: str) -> Body:
    return replace(body, chunks=(), capture=reason) if any(body.chunks) else body


def _failed_row(failed: Failed) -> list[Value]:
    """The row of an exchange of which nothing else is known."""
    exchange = Exchange(
        request_id=failed.request_id,
        process=failed.process,
        started_ns=failed.now_ns,
        method="",
        path="",
        endpoint="",
        outcome=Outcome.PROXY_ERROR,
        error_type="internal",
        usage_source=UsageSource.NONE,
    )
    return exchange_row(exchange)[0]


def _insert(table: str, columns: Sequence[Column]) -> str:
    marks = ", ".join("?" * (len(columns) + 2))
    return f'INSERT OR REPLACE INTO {table} (request_id, "position", {names(columns)}) VALUES ({marks})'  # noqa: S608


_INSERT = {table: _insert(table, columns) for table, columns in _CHILDREN}
_ROW = f"INTO exchanges ({names(EXCHANGE_COLUMNS)}) VALUES ({', '.join('?' * len(EXCHANGE_COLUMNS))})"
_OPEN = f"INSERT OR IGNORE {_ROW}"
_CLOSE = (
    f"INSERT {_ROW} ON CONFLICT (request_id) DO UPDATE SET "
    + ", ".join(f'"{column.name}" = excluded."{column.name}"' for column in EXCHANGE_COLUMNS[1:])
    + " WHERE outcome IS NULL"
)
_FAIL = (
    f"INSERT {_ROW} ON CONFLICT (request_id) DO UPDATE SET outcome = excluded.outcome, error_type = excluded.error_type"
    " WHERE outcome IS NULL"
)
