"""What a list can be narrowed by, and how that becomes SQL. Values are always bound, never pasted."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, replace

from proxy.exchange import Outcome

MODEL_CALLS = ("messages", "chat", "responses", "embeddings", "images")
"""The operations that lists show by default."""

_SLACK_NS = 60 * 1_000_000_000
"""Ids carry their time too; a minute is more than the two can differ."""
_ID_TIME = 13
"""Characters of an id up to the end of its time."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which exchanges; a field that is None does not narrow."""

    model: str | None = None
    """Part of the model asked for or answering, in any case."""
    since_ns: int | None = None
    """Accepted at or after, Unix nanoseconds."""
    until_ns: int | None = None
    """Accepted before."""
    status: str | None = None
    """`200`, a class like `4xx`, or `none` for finished without a status."""
    outcome: str | None = None
    """An outcome, `failed` for every one but `ok`, or `open`."""
    endpoint: str | None = None
    operation: str | None = None
    """None = model calls only (any operation when an id is given), `all` = everything."""
    session_id: str | None = None
    key: str | None = None
    finish_reason: str | None = None
    request_id: str | None = None
    """Ours, the provider's request id or its message id."""

    def until(self, now_ns: int) -> Filter:
        """The same without what is accepted from now on: who goes through it would follow a busy proxy for ever."""
        return replace(self, until_ns=min(self.until_ns or now_ns, now_ns))


@dataclass(frozen=True, slots=True)
class Clause:
    """A filter as SQL over the table alias `e`."""

    index: str
    conditions: tuple[str, ...]
    values: tuple[str | int, ...]

    @property
    def where(self) -> str:
        """The conditions joined."""
        return " AND ".join(self.conditions) or "1"


def clause(conn: sqlite3.Connection, where: Filter) -> Clause:
    """The SQL of `where`; a status or outcome that does not exist matches nothing."""
    parts: list[tuple[str, tuple[str | int, ...]]] = [
        *_by_time(conn, where),
        *_by_name(where),
        *_by_status(where.status),
        *_by_outcome(where.outcome),
    ]
    if where.request_id is not None:
        any_id = "(e.request_id = ? OR e.upstream_request_id = ? OR e.message_id = ?)"
        parts.append((any_id, (where.request_id,) * 3))
    # SQLite cannot use the index it is told to where it sees that nothing can match.
    index = "" if _NONE[0] in parts else _index(where)
    conditions = tuple(condition for condition, _ in parts)
    return Clause(index, conditions, tuple(each for _, values in parts for each in values))


def _index(where: Filter) -> str:
    if where.request_id is not None:
        return ""
    if where.outcome == "open":
        return "INDEXED BY exchanges_open"
    if where.session_id is not None:
        return "INDEXED BY exchanges_session"
    failed = where.outcome in {"failed", *Outcome} and where.outcome != Outcome.OK
    return "INDEXED BY exchanges_failed" if failed else "INDEXED BY exchanges_list"


def _by_name(where: Filter) -> list[tuple[str, tuple[str | int, ...]]]:
    parts: list[tuple[str, tuple[str | int, ...]]] = []
    if where.model is not None:
        pattern = "%" + where.model.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        parts.append(
            ("(e.model LIKE ? ESCAPE '\\' OR e.response_model LIKE ? ESCAPE '\\')", (pattern, pattern)),
        )
    for name in ("endpoint", "session_id", "key", "finish_reason"):
        value = getattr(where, name)
        if value is not None:
            parts.append((f'e."{name}" = ?', (value,)))
    if where.operation is None and where.request_id is None:
        marks = ", ".join("?" * len(MODEL_CALLS))
        parts.append((f"e.operation IN ({marks})", MODEL_CALLS))
    elif where.operation not in (None, "all"):
        parts.append(("e.operation = ?", (str(where.operation),)))
    return parts


def _by_status(status: str | None) -> list[tuple[str, tuple[str | int, ...]]]:
    if status is None:
        return []
    if status == "none":
        return [("e.status IS NULL AND e.outcome IS NOT NULL", ())]
    if len(status) == 3 and status[0] in "12345" and status[1:] == "xx":
        return [("e.status BETWEEN ? AND ?", (int(status[0]) * 100, int(status[0]) * 100 + 99))]
    return [("e.status = ?", (int(status),))] if status.isascii() and status.isdecimal() and len(status) == 3 else _NONE


def _by_outcome(outcome: str | None) -> list[tuple[str, tuple[str | int, ...]]]:
    if outcome is None:
        return []
    if outcome == "open":
        return [("e.outcome IS NULL", ())]
    if outcome == "failed":
        return [("e.outcome <> 'ok'", ())]
    if outcome == Outcome.OK:
        return [("e.outcome = 'ok'", ())]
    # The first half is what the partial index needs to hear literally.
    return [("e.outcome <> 'ok' AND e.outcome = ?", (outcome,))] if outcome in set(Outcome) else _NONE


def _by_time(conn: sqlite3.Connection, where: Filter) -> list[tuple[str, tuple[str | int, ...]]]:
    """The exact bounds, and bounds of the id around them, between which alone the index is walked."""
    parts: list[tuple[str, tuple[str | int, ...]]] = []
    if where.since_ns is not None:
        parts.append(("e.started_ns >= ?", (where.since_ns,)))
        first = conn.execute(
            "SELECT request_id FROM exchanges WHERE started_ns >= ? ORDER BY started_ns LIMIT 1",
            (where.since_ns - _SLACK_NS,),
        ).fetchone()
        parts += _NONE if first is None else [("e.request_id >= ?", (first[0][:_ID_TIME],))]
    if where.until_ns is not None:
        parts.append(("e.started_ns < ?", (where.until_ns,)))
        last = conn.execute(
            "SELECT request_id FROM exchanges WHERE started_ns < ? ORDER BY started_ns DESC LIMIT 1",
            (where.until_ns + _SLACK_NS,),
        ).fetchone()
        parts += _NONE if last is None else [("e.request_id < ?", (last[0][:_ID_TIME] + "\x7f",))]
    return parts


_NONE: list[tuple[str, tuple[str | int, ...]]] = [("0", ())]
