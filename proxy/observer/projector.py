"""Moves the metrics cursor: what was committed becomes costs and totals, in one transaction with the cursor.

Costs and totals are visible only once the ledger has them, so that a crash neither loses nor repeats a call.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence

from proxy.ledger import costs, cursors, journal, meta, queries
from proxy.ledger.connect import transaction
from proxy.ledger.costs import Cost
from proxy.ledger.folder import Folder
from proxy.ledger.journal import JournalRow
from proxy.ledger.queries import Listed
from proxy.names import metrics
from proxy.names.metrics import Channel
from proxy.observer import given_up, table, totals
from proxy.observer.costs import cost_of
from proxy.observer.delivery.replies import Signal
from proxy.observer.folding import EVICTED, Folding
from proxy.observer.genai import operation_name
from proxy.observer.labels import Labels
from proxy.observer.shared import Entry, Shared
from proxy.observer.table import Draft, Point, Series
from proxy.observer.totals import Call
from proxy.observer.windows import Windows
from proxy.pricing import PriceTable
from proxy.settings.shape import MOST_SERIES

MOST_ROWS = 256
_WINDOWS_NOTE = "windows"
_CURSOR = Signal.METRICS.value


class Projector:
    """Used by one thread but for `look`."""

    def __init__(
        self,
        conn: sqlite3.Connection,
        folder: Folder,
        endpoints: Mapping[str, str | None],
        main_account: str | None,
        max_series: int = MOST_SERIES,
        clock_ns: Callable[[], int] = time.time_ns,
        shared: Shared | None = None,
    ) -> None:
        """`endpoints`: name and organisation of each; `shared` is told what was projected. Raises sqlite3.Error."""
        self._conn = conn
        self._folder = folder
        self._endpoints = endpoints
        self._main_account = main_account
        self._max_series = max_series
        self._clock_ns = clock_ns
        self._shared = shared or Shared()
        self._prices = PriceTable()
        self._evicted = 0
        self._in_a_row = 0
        self.behind = False
        """Whether the last step found as much as it takes, so that there is probably more."""
        self.load()
        draft = self._table.draft(clock_ns())
        totals.begin(draft, endpoints, self._labels)
        self._commit(draft, self._cursor, {}, self._windows)

    def load(self) -> None:
        """Begin again from what the ledger has, after a write has failed."""
        self._table = table.load(self._conn, self._max_series)
        self._labels = Labels(self._table, self._prices.knows)
        self._windows = Windows(self._main_account, meta.get(self._conn, _WINDOWS_NOTE))
        self._shown_windows = self._windows
        self._cursor = cursors.get(self._conn, _CURSOR) or 0

    def look(self) -> tuple[int, list[Series], list[Point]]:
        """The journal number covered, all series and all gauges of this moment; for any thread, as is `health`."""
        covered = self._cursor
        points: list[Point] = [
            (metrics.ENDPOINT_INFO, (name, organization), 1) for name, organization in self._endpoints.items()
        ]
        return covered, self._table.snapshot(), points + list(self._shown_windows.gauges(self._clock_ns() / 1e9))

    def health(self) -> list[Series]:
        """The series of the health family alone."""
        return self._table.snapshot(Channel.HEALTH)

    def evicted(self, number: int) -> None:
        """Retention has removed exchanges that were not exported; counted with the next fold."""
        self._evicted += number

    def step(self) -> list[Listed]:
        """Project the next rows; the exchanges they are about, empty when there was nothing. Raises sqlite3.Error."""
        rows = journal.after(self._conn, self._cursor, MOST_ROWS)
        self.behind = len(rows) == MOST_ROWS
        if not rows:
            return []
        try:
            projected = self._project(rows)
        except sqlite3.Error:
            raise
        except Exception:
            self.load()
            return [listed for row in rows for listed in self._alone(row)]
        self._in_a_row = 0
        return projected

    def fold(self) -> None:
        """Add what the relay processes have counted. Raises sqlite3.Error."""
        folding = Folding(self._conn, self._folder)
        evicted = self._evicted
        if not folding.changed and not evicted:
            return
        draft = self._table.draft(self._clock_ns())
        folding.add_to(draft)
        draft.add(metrics.DROPPED, evicted, EVICTED)
        with transaction(self._conn):
            table.save(self._conn, draft)
            folding.note(self._conn)
        self._table.commit(draft)
        self._evicted -= evicted
        folding.finish()

    def _alone(self, row: JournalRow) -> list[Listed]:
        """One row of a group that could not be projected; if it is the one, it is given up.

        Raises what is wrong when nothing can be made of many rows in a row.
        """
        try:
            projected = self._project([row])
        except sqlite3.Error:
            raise
        except Exception:
            if self._in_a_row >= given_up.MOST_IN_A_ROW:
                raise
            self._in_a_row += 1
            logging.getLogger(__name__).exception("%s cannot be counted", row.request_id)
            self.load()
            with transaction(self._conn):
                given_up.note(self._conn, Signal.METRICS, row, given_up.POISON, None)
                cursors.set(self._conn, _CURSOR, row.seq)
            self._cursor = row.seq
            return []
        self._in_a_row = 0
        return projected

    def _project(self, rows: Sequence[JournalRow]) -> list[Listed]:
        found = queries.by_ids(self._conn, [row.request_id for row in rows])
        draft = self._table.draft(self._clock_ns())
        windows, before = self._windows, self._cursor
        entries: list[Entry] = []
        priced: dict[str, Cost] = {}
        for row in rows:
            # An exchange that is missing was removed by retention, which counts it.
            listed = found.get(row.request_id)
            if listed is not None and listed.cost is None:
                cost = cost_of(listed.exchange, self._prices)
                if cost is not None:
                    listed = Listed(listed.exchange, cost)
                    priced[row.request_id] = cost
            entries.append((row, listed))
        projected = [listed for _, listed in entries if listed is not None]
        self._count(projected, draft, windows)
        self._commit(draft, rows[-1].seq, priced, windows)
        self._shared.put(before, entries)
        return projected

    def _count(self, projected: Sequence[Listed], draft: Draft, windows: Windows) -> None:
        exchanges = [listed.exchange for listed in projected]
        streams = [one.request_id for one in exchanges if one.stream and operation_name(one.operation) is not None]
        pauses = queries.pauses(self._conn, streams)
        calls = [Call(listed.exchange, listed.cost, pauses.get(listed.exchange.request_id, ())) for listed in projected]
        totals.count(calls, draft, self._labels)
        for exchange in exchanges:
            if windows.learn(exchange):
                totals.count_cooldown(exchange, draft, self._labels)

    def _commit(self, draft: Draft, seq: int, priced: Mapping[str, Cost], windows: Windows) -> None:
        note = windows.dump()
        with transaction(self._conn):
            costs.save_first(self._conn, priced)
            table.save(self._conn, draft)
            if note != meta.get(self._conn, _WINDOWS_NOTE):
                meta.put(self._conn, _WINDOWS_NOTE, note)
            cursors.set(self._conn, _CURSOR, seq)
        self._table.commit(draft)
        self._cursor = seq
        self._shown_windows = Windows(self._main_account, note)
