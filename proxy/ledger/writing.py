"""Changes as rows: made ready outside the transaction, written inside it."""

from __future__ import annotations

import sqlite3
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace

from proxy.exchange import Attempt, Exchange, Hop, LimitReading, Outcome, UsageSource, WindowReading
from proxy.ledger import bodies, chunks, facets, headers, journal
from proxy.ledger.bodies import Packed, Packer
from proxy.ledger.changes import Arrived, Body, Change, Finished, Opened
from proxy.ledger.connect import chosen, insert
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
    kept: list[Packed] = field(default_factory=list)
    """Those of its bodies that have bytes to store."""
    chunks: bytes | None = None
    reduced: bool = False
    """Already less than what was to be stored."""

    @property
    def has_bodies(self) -> bool:
        """Whether bytes of a body are in it."""
        return bool(self.kept)

    @property
    def finishes(self) -> bool:
        """Whether it closes the exchange."""
        return isinstance(self.change, Finished | Failed)


def prepare(change: Change | Failed, packer: Packer) -> Prepared:
    """Make ready what `write` needs: values SQLite can hold, hashed bodies. May raise on absurd values."""
    if isinstance(change, Failed):
        return Prepared(change, text(change.request_id), _failed_row(change))
    if isinstance(change, Arrived):
        ready = Prepared(change, text(change.request_id))
        _prepare_bodies(ready, {Hop.CLIENT_REQUEST: change.body})
        return ready
    if isinstance(change, Opened):
        values, intact = row(change.exchange)
        return Prepared(change, str(values[0]), values, intact)
    return _prepare_finished(change, packer)


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
    bodies.make_new(conn, [body for each in ready for body in each.kept], packer)


def remember(ready: Sequence[Prepared], packer: Packer) -> None:
    """These are committed: what comes next may build on them."""
    packer.remember([body for each in ready for body in each.kept])


def write(conn: sqlite3.Connection, ready: Sequence[Prepared], now_ns: int) -> None:
    """Write a group; the caller owns the transaction. Each exchange closed here gets its journal row.

    An exchange that is already closed stays as it is.
    """
    opening: list[Prepared] = []
    arrived: dict[str, Mapping[Hop, Packed | Hop]] = {}
    closing: dict[str, Prepared] = {}
    for each in ready:
        if isinstance(each.change, Opened):
            opening.append(each)
        elif isinstance(each.change, Arrived):
            arrived[each.request_id] = each.bodies
        else:
            closing.setdefault(each.request_id, each)
    known = _known(conn, [*closing, *arrived])
    closing = {request_id: each for request_id, each in closing.items() if not known.get(request_id)}
    finished = [each for each in closing.values() if isinstance(each.change, Finished)]
    failed = [each for each in closing.values() if isinstance(each.change, Failed)]
    whole = {each.request_id for each in finished}
    opening = [each for each in opening if each.request_id not in whole]
    insert(conn, f"INSERT OR IGNORE {_INTO}", [each.values for each in opening])
    insert(conn, f"INSERT {_INTO}", [each.values for each in failed], _FAIL)
    insert(conn, f"INSERT {_INTO}", [each.values for each in finished], _CLOSE)
    _write_rest(conn, finished, known)
    # A request body may have come in the same group as its exchange, whose row must be there first.
    there = {*known, *closing, *(each.request_id for each in opening)}
    arrived = {request_id: arrived[request_id] for request_id in arrived if request_id in there}
    bodies.put(conn, arrived, keep=True)
    facets.count_rows(conn, [each.values for each in finished])
    # An open row keeps what it says when its exchange fails.
    facets.count(conn, [each.request_id for each in failed])
    journal.append(conn, closing, now_ns)


def _prepare_finished(change: Finished, packer: Packer) -> Prepared:
    exchange = change.exchange
    if exchange.outcome is None:
        exchange = replace(exchange, outcome=Outcome.PROXY_ERROR)
    values, intact = row(exchange)
    ready = Prepared(change, str(values[0]), values, intact)
    children: Mapping[str, Sequence[Attempt | WindowReading | LimitReading]] = {
        "attempts": exchange.attempts,
        "windows": exchange.windows,
        "limits": exchange.limits,
    }
    for table, records in children.items():
        if records:
            rows = ready.children[table] = []
            for place, record in enumerate(records):
                values, intact = row(record)
                rows.append([ready.request_id, place, *values])
                ready.intact = ready.intact and intact
    ready.headers, intact = headers.pack(change.headers, packer.headers)
    ready.intact = ready.intact and intact
    _prepare_bodies(ready, change.bodies)
    ready.chunks = chunks.pack(change.chunks, packer.zstd) if change.chunks else None
    return ready


def _prepare_bodies(ready: Prepared, given: Mapping[Hop, Body | Hop]) -> None:
    for hop, body in given.items():
        ready.bodies[hop] = packed = bodies.pack(body) if isinstance(body, Body) else body
        if isinstance(packed, Packed) and packed.whole:
            ready.kept.append(packed)


def _write_rest(conn: sqlite3.Connection, finished: Sequence[Prepared], known: Container[str]) -> None:
    for table, into in _INTO_CHILDREN.items():
        insert(conn, into, [values for each in finished for values in each.children.get(table, ())])
    headers.put(conn, {each.request_id: each.headers for each in finished if each.headers})
    bodies.put(conn, {each.request_id: each.bodies for each in finished}, known=known)
    packed = [(each.request_id, each.chunks) for each in finished if each.chunks is not None]
    insert(conn, "INSERT OR REPLACE INTO chunks (request_id, packed)", packed)


def _known(conn: sqlite3.Connection, request_ids: Sequence[str]) -> dict[str, bool]:
    """Which of these exchanges there are, and whether they are closed."""
    rows = chosen(conn, "SELECT request_id, outcome IS NOT NULL FROM exchanges WHERE request_id", request_ids)
    return {str(request_id): bool(closed) for request_id, closed in rows}


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
