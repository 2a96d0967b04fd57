"""How this room reads the ledger: one connection per question, read-only, bounded in time; sums are kept a while."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from proxy.inspector.filters import View
from proxy.ledger.connect import limited, reader
from proxy.ledger.errors import QueryTimeout
from proxy.ledger.queries import Sums, totals_of

READ_SECONDS = 1.0
SUM_SECONDS = 0.5
MAX_SUMS = 64
_REST = 20
"""Sums that took a second are good for 20, so that watching pages never cost more than a twentieth of a core each."""


class Ledger:
    """The ledger as pages and API read it. Safe in many threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._sums: dict[tuple[tuple[str, str], ...], tuple[float, Sums | None]] = {}

    @contextmanager
    def read(self, seconds: float = READ_SECONDS) -> Iterator[sqlite3.Connection]:
        """A connection for one question; raises QueryTimeout when answering takes longer than `seconds`."""
        with closing(reader(self._path)) as conn, limited(conn, seconds):
            yield conn

    def sums(self, view: View) -> Sums | None:
        """Sums over everything the view matches; None when there is too much to add up in time."""
        key = tuple(sorted(view.given.items()))
        began = time.monotonic()
        with self._lock:
            until, kept = self._sums.get(key, (0.0, None))
        if began < until:
            return kept
        try:
            with self.read(SUM_SECONDS) as conn:
                found: Sums | None = totals_of(conn, view.where)
        except QueryTimeout:
            found = None
        ended = time.monotonic()
        with self._lock:
            if len(self._sums) >= MAX_SUMS:
                self._sums.clear()
            self._sums[key] = (ended + _REST * (ended - began), found)
        return found
