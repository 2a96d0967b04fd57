"""One thread per signal that reads the journal behind a durable cursor and delivers what it finds, in order.

The ledger is the queue: the cursor moves only when a batch was delivered or given up with a reason.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from proxy.ledger import cursors, journal, queries
from proxy.ledger.connect import transaction, writer
from proxy.ledger.journal import JournalRow
from proxy.ledger.queries import Listed
from proxy.observer import given_up
from proxy.observer.delivery.replies import Reply, Signal, Verdict
from proxy.observer.delivery.sending import MOST_BYTES, Pace, Sender, SendingThread
from proxy.observer.shared import Entry, Shared

MOST_ROWS = 256
"""Of one look at the journal."""
_IDLE_S = 1.0
_MOST_OF_ITEMS = MOST_BYTES - 64 * 1024
"""The rest is for resource and scope."""


@dataclass(frozen=True, slots=True)
class Lot:
    """What one journal row becomes for one signal."""

    row: JournalRow
    items: Sequence[bytes] = ()
    """Encoded records."""
    unsent: str | None = None
    """Why it is not sent at all."""

    @property
    def size(self) -> int:
        """Bytes of its items."""
        return sum(map(len, self.items))


class Shipper(SendingThread):
    """Ships one signal. `build` makes the items of a row and may raise; that row is then given up alone."""

    def __init__(
        self,
        signal: Signal,
        ledger: Path,
        sender: Sender,
        build: Callable[[JournalRow, Listed], Sequence[bytes]],
        request: Callable[[Sequence[bytes]], bytes],
        *,
        shared: Shared | None = None,
        oldest_s: float | None = None,
        pace: Pace | None = None,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """`request` puts encoded records into one request; `shared` has what others read.

        `oldest_s`: age beyond which a record is given up, None for never.
        """
        super().__init__(signal, sender, pace)
        self._signal = signal
        self._name = signal.value
        self._ledger = ledger
        self._build = build
        self._request = request
        self._shared = shared or Shared()
        self._oldest_s = oldest_s
        self._clock_ns = clock_ns
        self._in_a_row = 0
        self._wake = threading.Event()

    def wake(self) -> None:
        """There may be something new."""
        self._wake.set()

    def stop(self) -> None:
        """Send what waits, once, and end; also wakes the thread."""
        super().stop()
        self._wake.set()

    def _run(self) -> None:
        with closing(writer(self._ledger)) as conn:
            while not self._stop.is_set():
                self._wake.clear()
                if not self._step(conn):
                    self._wake.wait(_IDLE_S)
            while self.health.up is not False and self._step(conn):
                pass

    def _step(self, conn: sqlite3.Connection) -> bool:
        """Deliver the next rows; whether there were any and all are done with."""
        cursor, limit = cursors.get(conn, self._name), cursors.get(conn, Signal.METRICS.value)
        if cursor is None or limit is None:
            return False
        # Costs are computed with the metrics, and a record without its cost would not be the same later.
        entries = self._shared.after(cursor, MOST_ROWS) or self._read(conn, cursor, limit)
        for batch in _batches(self._lots(entries)):
            if not self._deliver(conn, batch, cursor):
                return False
            cursor = batch[-1].row.seq
        return bool(entries)

    def _read(self, conn: sqlite3.Connection, cursor: int, limit: int) -> list[Entry]:
        rows = [row for row in journal.after(conn, cursor, MOST_ROWS) if row.seq <= limit]
        found = queries.by_ids(conn, [row.request_id for row in rows])
        entries: list[Entry] = [(row, found.get(row.request_id)) for row in rows]
        self._shared.put(cursor, entries)
        return entries

    def _lots(self, entries: Sequence[Entry]) -> Iterator[Lot]:
        """What is to be done with each row, up to where nothing can be made of any more."""
        for place, (row, listed) in enumerate(entries):
            lot = self._lot(row, listed)
            if lot.unsent != given_up.POISON:
                self._in_a_row = 0
            elif self._in_a_row < given_up.MOST_IN_A_ROW:
                self._in_a_row += 1
            elif place:
                return
            else:
                raise RuntimeError(f"no {self._name} can be made of anything since {row.request_id}")
            yield lot

    def _lot(self, row: JournalRow, listed: Listed | None) -> Lot:
        if listed is None:
            # Retention deleted it, and counted it.
            return Lot(row)
        if self._oldest_s is not None and self._clock_ns() - row.commit_ns > self._oldest_s * 1e9:
            return Lot(row, unsent=given_up.TOO_OLD)
        try:
            lot = Lot(row, self._build(row, listed))
            return lot if lot.size <= _MOST_OF_ITEMS else Lot(row, unsent=given_up.EXPORT_REJECTED)
        except Exception:
            logging.getLogger(__name__).exception("no %s can be made of %s", self._name, row.request_id)
            return Lot(row, unsent=given_up.POISON)

    def _deliver(self, conn: sqlite3.Connection, batch: list[Lot], cursor: int) -> bool:
        """Send until it is delivered or given up; False when stopped before."""
        items = [item for lot in batch for item in lot.items]
        failures, reply = 0, None
        while items:
            reply = self._sender.send(self._request(items))
            if reply.verdict is Verdict.DELIVERED:
                self.health.up = True
                self._complaints.delivered()
                break
            self.health.failures += 1
            if reply.verdict is Verdict.REFUSED:
                return self._refused(conn, batch, cursor, reply)
            failures += 1
            self.health.up = False
            self._complaints.failed(reply)
            if self._stop.wait(self._pace.wait(reply, failures)):
                return False
        self._done(conn, batch, cursor, reply)
        return True

    def _refused(self, conn: sqlite3.Connection, batch: list[Lot], cursor: int, reply: Reply) -> bool:
        """Halve the batch until the refused row stands alone."""
        sent = [place for place, lot in enumerate(batch) if lot.items]
        if len(sent) == 1:
            self._complaints.given_up(1, reply)
            self._done(conn, batch, cursor, reply)
            return True
        middle = sent[len(sent) // 2]
        first, second = batch[:middle], batch[middle:]
        return self._deliver(conn, first, cursor) and self._deliver(conn, second, first[-1].row.seq)

    def _done(self, conn: sqlite3.Connection, batch: list[Lot], cursor: int, reply: Reply | None) -> None:
        """Move the cursor behind the batch and note what was given up, in one transaction."""
        refused = reply is not None and reply.verdict is Verdict.REFUSED
        with transaction(conn):
            if cursors.get(conn, self._name) != cursor:
                return  # rewound meanwhile: what was delivered is delivered again
            cursors.set(conn, self._name, batch[-1].row.seq)
            for lot in batch:
                if lot.unsent is not None:
                    given_up.note(conn, self._signal, lot.row, lot.unsent, None)
                elif refused and reply is not None and lot.items:
                    given_up.note(conn, self._signal, lot.row, given_up.EXPORT_REJECTED, reply.said)
            if reply is not None and reply.rejected:
                rejected = min(reply.rejected, sum(len(lot.items) for lot in batch))
                given_up.count(conn, self._signal, given_up.PARTIAL, rejected)
                self._complaints.given_up(rejected, reply)


def _batches(lots: Iterator[Lot]) -> Iterator[list[Lot]]:
    """Cut by bytes, in order; a row is never divided."""
    batch: list[Lot] = []
    held = 0
    for lot in lots:
        size = lot.size
        if batch and held + size > _MOST_OF_ITEMS:
            yield batch
            batch, held = [], 0
        batch.append(lot)
        held += size
    if batch:
        yield batch
