"""Changes as rows: made ready outside the transaction, written inside it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from proxy.exchange import Exchange, Hop, Outcome, UsageSource
from proxy.ledger import bodies, chunks, facets, headers, journal
from proxy.ledger.bodies import Packed, Packer
from proxy.ledger.changes import Arrived, Body, Change, Finished, Opened
from proxy.ledger.connect import insert
from proxy.ledger.rows import (
    ATTEMPT_COLUMNS,
    EXCHANGE_COLUMNS,
    LIMIT_COLUMNS,
    WINDOW_COLUMNS,
    Value,
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
    children: dict[str, list[list[Value]]] = field(default_factory=dict)
    """Rows of other tables, by table."""
    headers: bytes = b""
    bodies: dict[Hop, Packed | Hop] = field(default_factory=dict)
    chunks: bytes | None = None
    reduced: bool = False
    """Already less than what was to be stored."""

    @property
    def has_bodies(self) -> bool:
        """Whether bytes of a body are in it."""
        return any(body.kept for body in self.packed)

    @property
    def packed(self) -> list[Packed]:
        """Its bodies, as far as they are not those of another hop."""
        return [body for body in self.bodies.values() if isinstance(body, Packed)]

    @property
    def finishes(self) -> bool:
        """Whether it closes the exchange."""
        return isinstance(self.change, Finished | Failed)


def prepare(change: Change | Failed, packer: Packer) -> Prepared:
    """Make ready what `write` needs: values SQLite can hold, hashed bodies. May raise on absurd values."""
    if isinstance(change, Failed):
        return Prepared(change, text(change.request_id), _failed_row(change))
    if isinstance(change, Arrived):
        return Prepared(change, text(change.request_id), bodies={Hop.CLIENT_REQUEST: bodies.pack(change.body)})
    exchange = change.exchange
    if isinstance(change, Finished) and exchange.outcome is None:
        exchange = replace(exchange, outcome=Outcome.PROXY_ERROR)
    values, intact = row(exchange)
    ready = Prepared(change, str(values[0]), values, intact)
    if isinstance(change, Finished):
        _prepare_rest(ready, change, packer)
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


def make_ready(conn: sqlite3.Connection, ready: Sequence[Prepared], packer: Packer) -> None:
    """Compress what is new, before the transaction."""
    bodies.make_new(conn, [body for each in ready for body in each.packed], packer)


def remember(ready: Sequence[Prepared], packer: Packer) -> None:
    """These are committed: what comes next may build on them."""
    packer.remember(body for each in ready for body in each.packed)


def write(conn: sqlite3.Connection, ready: Sequence[Prepared], now_ns: int) -> None:
    """Write a group; the caller owns the transaction. Each exchange closed here gets its journal row.

    An exchange that is already closed stays as it is.
    """
    closing: dict[str, Prepared] = {}
    for each in ready:
        if each.finishes:
            closing.setdefault(each.request_id, each)
    for request_id in _ids(conn, closing, "outcome IS NOT NULL"):
        del closing[request_id]
    failed = [each for each in closing.values() if isinstance(each.change, Failed)]
    finished = [each for each in closing.values() if isinstance(each.change, Finished)]
    whole = {each.request_id for each in finished}
    opening = [each for each in ready if isinstance(each.change, Opened) and each.request_id not in whole]
    insert(conn, f"INSERT OR IGNORE {_INTO}", [each.values for each in opening])
    insert(conn, f"INSERT {_INTO}", [each.values for each in failed], _FAIL)
    insert(conn, f"INSERT {_INTO}", [each.values for each in finished], _CLOSE)
    _write_rest(conn, finished)
    # A request body may have come in the same group as its exchange, whose row must be there first.
    arrived = {each.request_id: each.bodies for each in ready if isinstance(each.change, Arrived)}
    known = _ids(conn, arrived)
    bodies.put(conn, {request_id: arrived[request_id] for request_id in known}, keep=True)
    facets.count(conn, list(closing))
    journal.append(conn, closing, now_ns)


def _prepare_rest(ready: Prepared, change: Finished, packer: Packer) -> None:
    exchange = change.exchange
    for table, records in (
        ("attempts", exchange.attempts),
        ("windows", exchange.windows),
        ("limits", exchange.limits),
    ):
        rows = [row(record) for record in records]
        ready.intact = ready.intact and all(intact for _, intact in rows)
        if rows:
            ready.children[table] = [values for values, _ in rows]
    ready.headers, intact = headers.pack(change.headers, packer.headers)
    ready.intact = ready.intact and intact
    ready.bodies = {hop: bodies.pack(body) if isinstance(body, Body) else body for hop, body in change.bodies.items()}
    ready.chunks = chunks.pack(change.chunks, packer.zstd) if change.chunks else None


def _write_rest(conn: sqlite3.Connection, finished: Sequence[Prepared]) -> None:
    for table, into in _INTO_CHILDREN.items():
        insert(
            conn,
            into,
            [
                [each.request_id, place, *values]
                for each in finished
                for place, values in enumerate(each.children.get(table, ()))
            ],
        )
    headers.put(conn, {each.request_id: each.headers for each in finished if each.headers})
    bodies.put(conn, {each.request_id: each.bodies for each in finished})
    packed = [(each.request_id, each.chunks) for each in finished if each.chunks is not None]
    insert(conn, "INSERT OR REPLACE INTO chunks (request_id, packed)", packed)


def _ids(conn: sqlite3.Connection, request_ids: Iterable[str], condition: str = "TRUE") -> list[str]:
    """Which of these exchanges there are, under a condition."""
    sought = f"SELECT request_id FROM exchanges WHERE {condition} AND request_id IN (SELECT value FROM json_each(?))"  # noqa: S608
    return [str(row[0]) for row in conn.execute(sought, (json.dumps(list(request_ids)),)).fetchall()]


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
    return row(exchange)[0]


_INTO = f"INTO exchanges ({names(EXCHANGE_COLUMNS)})"
_INTO_CHILDREN = {
    table: f'INSERT OR REPLACE INTO {table} (request_id, "position", {names(columns)})' for table, columns in _CHILDREN
}
_CLOSE = "ON CONFLICT (request_id) DO UPDATE SET " + ", ".join(
    f'"{column.name}" = excluded."{column.name}"' for column in EXCHANGE_COLUMNS[1:]
)
_FAIL = "ON CONFLICT (request_id) DO UPDATE SET outcome = excluded.outcome, error_type = excluded.error_type"
"""Of an exchange that failed, an open row keeps what it says."""
