"""When each series was 0 for the receiver, the same after a restart.

A second zero after the receiver has taken the first value would look like a counter that restarted, and count that
value twice; no zero at all would lose it. So the time is written down before anything is sent.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

import msgspec

from proxy.ledger import meta
from proxy.ledger.connect import transaction
from proxy.observer.table import Series

_NOTE = "metrics_export"
_MILLISECOND = 1_000_000
_FORGOTTEN_NS = 50 * 60 * 1_000_000_000
"""Receivers refuse points that are much older than the newest. Prometheus takes the first of a series an hour late,
https://github.com/prometheus/prometheus/blob/main/tsdb/head.go (`appendableMinValidTime`).
"""


class _State(msgspec.Struct):
    confirmed_ns: int = 0
    """All series that had begun by then have arrived."""
    tried_ns: list[int] = msgspec.field(default_factory=list)
    """Exports since then that brought new series and may have arrived."""


class Beginnings:
    """Kept as a note in the ledger; used by the thread that sends metrics."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn
        note = meta.get(conn, _NOTE)
        try:
            self._state = _State() if note is None else msgspec.json.decode(note, type=_State)
        except msgspec.DecodeError:
            self._state = _State()

    def sending(self, series: Iterable[Series], now_ns: int) -> None:
        """An export is about to be sent. Raises sqlite3.Error, and then it must not be."""
        recent = [tried for tried in self._state.tried_ns if now_ns - tried < _FORGOTTEN_NS]
        covered = max(recent, default=self._state.confirmed_ns)
        if any(one.started_ns > covered for one in series):
            recent.append(now_ns)
        self._write(_State(self._state.confirmed_ns, recent))

    def zero_ns(self, one: Series) -> int | None:
        """When this series was 0: a millisecond before its first point. None if that has arrived."""
        if one.started_ns <= self._state.confirmed_ns:
            return None
        first = next((tried for tried in self._state.tried_ns if tried >= one.started_ns), None)
        return None if first is None else first - _MILLISECOND

    def delivered(self, begun_ns: int) -> None:
        """An export has arrived, with all series that had begun by then."""
        if self._state.tried_ns:
            self._write(_State(begun_ns, []))

    def refused(self, at_ns: int) -> None:
        """The export of that time has certainly not been taken."""
        self._write(_State(self._state.confirmed_ns, [tried for tried in self._state.tried_ns if tried != at_ns]))

    def _write(self, state: _State) -> None:
        if state != self._state:
            with transaction(self._conn):
                meta.put(self._conn, _NOTE, msgspec.json.encode(state).decode())
            self._state = state
