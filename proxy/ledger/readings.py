"""The latest reading of every rate-limit window and limit, so that gauges survive a restart."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic

from proxy.exchange import LimitReading, WindowReading
from proxy.ledger.rows import LIMIT_COLUMNS, WINDOW_COLUMNS, Column, Record, names, record_of


@dataclass(frozen=True, slots=True)
class Observed(Generic[Record]):
    """A reading and the exchange whose answer carried it."""

    request_id: str
    started_ns: int
    """When that exchange was accepted, Unix nanoseconds."""
    reading: Record


def latest_windows(conn: sqlite3.Connection) -> list[Observed[WindowReading]]:
    """The latest reading per account and window."""
    return list(_latest(conn, "windows", WindowReading, WINDOW_COLUMNS))


def latest_limits(conn: sqlite3.Connection) -> list[Observed[LimitReading]]:
    """The latest reading per account and kind."""
    return list(_latest(conn, "limits", LimitReading, LIMIT_COLUMNS))


def _latest(
    conn: sqlite3.Connection, table: str, record: type[Record], columns: Sequence[Column]
) -> Iterator[Observed[Record]]:
    """One seek per pair: a GROUP BY would walk every reading there is."""
    first, second = (f'"{column.name}"' for column in columns[:2])
    following = (
        f"SELECT {first}, {second} FROM {table} WHERE ({first}, {second}) > (?, ?)"  # noqa: S608
        f" ORDER BY {first}, {second} LIMIT 1"
    )
    newest = (
        f"SELECT r.request_id, started_ns, {names(columns, 'r.')} FROM {table} AS r"  # noqa: S608
        f" JOIN exchanges AS e ON e.request_id = r.request_id WHERE r.{first} = ? AND r.{second} = ?"
        " ORDER BY r.request_id DESC LIMIT 1"
    )
    pair: tuple[str, str] | None = ("", "")
    while pair is not None and (pair := conn.execute(following, pair).fetchone()) is not None:
        request_id, started_ns, *values = conn.execute(newest, pair).fetchone()
        yield Observed(request_id, started_ns, record_of(record, values))
