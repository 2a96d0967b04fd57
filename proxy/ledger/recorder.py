"""The one writer of a relay process: a thread that commits what it is told in groups.

Memory is let go of only after the commit. Nothing that happens here is felt by a request; whatever cannot be
kept is counted by reason.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from proxy.ledger import damage
from proxy.ledger.backlog import ROW_BYTES, Backlog, Entry
from proxy.ledger.bodies import Packer
from proxy.ledger.changes import Change
from proxy.ledger.connect import Reopened, steady_writer, transaction
from proxy.ledger.counters import Counters
from proxy.ledger.errors import Trouble, trouble
from proxy.ledger.folder import Folder
from proxy.ledger.making import Making
from proxy.ledger.pace import Pace
from proxy.ledger.writing import Prepared, make_ready, remember, write

MAX_HELD = 256 * 1024 * 1024
_BUSY_MS = 100
"""SQLite's own wait is short, so that the thread can relieve the queue between two tries."""
_LONGEST_WAIT = 0.25
_BRIEF = 1.0
_GRACE_S = 1.0
"""How long a thread that has to give up may take for what it is at."""

_log = logging.getLogger(__name__)


class _GivenUp(Exception):
    """The time to stop is over and the ledger still refuses."""


class Recorder:
    """Takes changes from any thread and commits them at most about 50 ms later."""

    def __init__(
        self,
        folder: Folder,
        process: str,
        counters: Counters,
        max_held: int = MAX_HELD,
        clock_ns: Callable[[], int] = time.time_ns,
        connect: Callable[[Path, int], sqlite3.Connection] = steady_writer,
        low: Callable[[], bool] = bool,
    ) -> None:
        """`low` tells whether the disk has no room for bodies; asked in the recorder thread only."""
        self._folder = folder
        self._counters = counters
        self._clock_ns = clock_ns
        self._connect = connect
        self._ledger = Reopened(folder.ledger, self._opened)
        self._low = low
        self._short = False
        self._backlog = Backlog(counters, max_held)
        self._pace = Pace(self._backlog, counters)
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._packer = Packer()
        self._making = Making(process, counters, self._packer, clock_ns)
        self._trouble: Trouble | None = None
        self._damaged = False
        self._troubled_since = 0.0
        self._deadline: float | None = None
        self._flushed = False
        self._logged: set[str] = set()

    def start(self) -> None:
        """Start the thread, in the process that is to write: after any fork."""
        self._thread.start()

    def put(
        self,
        work: Callable[[], Change | None],
        held: int,
        request_id: str | None = None,
        shed: Callable[[], None] | None = None,
    ) -> None:
        """Queue a change; never blocks, never raises.

        `work` makes it, in the recorder thread; `held` bytes are free after its commit. `request_id` comes with the end
        of an exchange, which is closed as `proxy_error` when `work` raises. `shed` has `work` forget its bodies
        (`queue_full`): called from any thread, once, before `work` runs, and quick.
        """
        self._backlog.put(Entry(work, max(held, ROW_BYTES), request_id, shed))

    def pace(self) -> float:
        """Seconds that a new request has to wait because this thread has more to do than it can."""
        return self._pace.wait()

    def stop(self, timeout: float) -> bool:
        """Commit what waits and end the thread; False when that took longer than `timeout` seconds.

        What is then left is counted as lost. A thread that does not come back even to give up is `stuck`.
        """
        self._deadline = time.monotonic() + timeout
        self._backlog.close()
        if self._thread.is_alive():
            self._thread.join(timeout + _GRACE_S)
        if self.stuck:
            self._lose_the_rest()
        return self._flushed

    @property
    def stuck(self) -> bool:
        """Whether the thread is still at something that cannot be broken off; ask after `stop`."""
        return self._thread.is_alive()

    def degraded(self) -> list[str]:
        """What is wrong at the moment; empty when well.

        `ledger_busy`, `disk_full`, `ledger_error`: nothing is written; `ledger_damaged`: not everything can be, until
        the next start; `disk_low`: bodies are not stored; `queue_full`: too much waits.
        """
        now = self._trouble
        reasons = {
            Trouble.DAMAGED.value: self._damaged,
            "disk_low": self._short,
            "queue_full": self._backlog.pressed,
        }
        troubled = [] if now is None or self._brief else [now.value]
        return troubled + [reason for reason, holds in reasons.items() if holds]

    @property
    def _brief(self) -> bool:
        """Two writers that meet for a moment are no trouble."""
        return self._trouble is Trouble.BUSY and time.monotonic() - self._troubled_since < _BRIEF

    def _run(self) -> None:
        group: list[Entry] = []
        try:
            while not self._backlog.drained:
                group = self._backlog.take()
                self._look()
                self._pace.begin()
                self._record(group)
                self._backlog.release(group)
                self._pace.end()
                # Waiting for the next group must not keep the bodies of this one.
                group.clear()
            self._flushed = True
        except _GivenUp:
            self._lose_the_rest(group)
        finally:
            self._ledger.close()

    def _opened(self, path: Path) -> sqlite3.Connection:
        self._packer.forget()
        return self._connect(path, _BUSY_MS)

    def _look(self) -> None:
        """See, also while nothing comes, what others know of damage, and whether there is room for bodies."""
        self._damaged = self._damaged or self._folder.damaged.exists()
        before = self._short
        try:
            self._short = self._low()
        except Exception as error:
            self._complain("disk_low", "the room on the disk cannot be told", error)
        if self._short is not before:
            _log.warning("bodies are %s", "not stored, the disk is nearly full" if self._short else "stored again")

    def _record(self, group: list[Entry]) -> None:
        try:
            ready = self._made(group)
            self._store([*map(self._making.light, ready)] if self._short else ready)
        except _GivenUp:
            raise
        except Exception as error:
            self._complain("ledger_error", "a group of records was lost", error)
            self._count_lost(group)

    def _made(self, group: list[Entry]) -> list[Prepared]:
        """The group in its order, made from its end: where a whole record is made, its open row need not be."""
        made: list[Prepared] = []
        for entry in reversed(group):
            self._hurry()
            self._pace.works()
            if (ready := self._making.made(entry)) is not None:
                made.append(ready)
        made.reverse()
        return made

    def _store(self, ready: list[Prepared]) -> None:
        """Commit a group, however long the ledger refuses; raises _GivenUp when stopping takes too long."""
        pause = 0.005
        while ready:
            try:
                self._commit(ready)
            except Exception as error:
                kind = trouble(error)
                if kind is Trouble.DAMAGED:
                    self._damaged = damage.met(self._folder, error)
                else:
                    self._complain(kind.value, "the ledger cannot be written", error)
            else:
                self._recovered(ready)
                return
            if kind in (Trouble.POISON, Trouble.DAMAGED):
                self._isolate(ready, self._making.smaller if kind is Trouble.POISON else self._making.spared)
                return
            if self._trouble is None:
                self._troubled_since = time.monotonic()
            self._trouble = kind
            if kind is Trouble.FULL and any(each.has_bodies for each in ready):
                ready = [*map(self._making.light, ready)]
                continue
            if kind is Trouble.BROKEN:
                self._ledger.close()
            self._wait(pause)
            if kind is not Trouble.BUSY:
                pause = min(pause * 2, _LONGEST_WAIT)

    def _commit(self, ready: Sequence[Prepared]) -> None:
        conn = self._ledger.connection()
        make_ready(conn, ready, self._packer)
        begun = time.perf_counter()
        with transaction(conn):
            self._pace.locked_out(time.perf_counter() - begun)
            write(conn, ready, self._clock_ns())
            self._pace.waits()
        self._pace.works()
        remember(ready, self._packer)
        self._counters.observe("commit_ms", (time.perf_counter() - begun) * 1000)

    def _recovered(self, ready: Sequence[Prepared]) -> None:
        self._counters.add("poison", sum(not each.intact for each in ready))
        if self._trouble is not None:
            if not self._brief:
                _log.warning("the ledger is written again after %s", self._trouble.value)
            self._logged.discard(self._trouble.value)
            self._trouble = None

    def _isolate(self, ready: list[Prepared], less_of: Callable[[Prepared], Prepared | None]) -> None:
        """Find what cannot be stored, store the others of the group, and of it what can be."""
        if len(ready) > 1:
            half = len(ready) // 2
            self._store(ready[:half])
            self._store(ready[half:])
            return
        if (less := less_of(ready[0])) is not None:
            self._store([less])

    def _wait(self, pause: float) -> None:
        """Sleep before the next try; meanwhile keep the queue within its bound."""
        while self._backlog.pressed and (entry := self._backlog.oldest_opaque()) is not None:
            if (light := self._making.relieved(entry)) is not None:
                self._backlog.lighten(entry, light)
        self._hurry()
        # Not time.sleep, which fails under libfaketime when the wall clock is moved.
        threading.Event().wait(pause)

    def _hurry(self) -> None:
        if self._deadline is not None and time.monotonic() > self._deadline:
            raise _GivenUp

    def _lose_the_rest(self, group: Sequence[Entry] = ()) -> None:
        self._count_lost(group)
        while waiting := self._backlog.take():
            self._count_lost(waiting)

    def _count_lost(self, group: Sequence[Entry]) -> None:
        self._counters.add("ledger_error", len(group))
        self._counters.add("records_lost", sum(entry.request_id is not None for entry in group))

    def _complain(self, reason: str, what: str, error: Exception) -> None:
        """Log once per reason until it is over."""
        if reason not in self._logged and reason != Trouble.BUSY.value:
            self._logged.add(reason)
            _log.error("%s (%s)", what, reason, exc_info=error)
