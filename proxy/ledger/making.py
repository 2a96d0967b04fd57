"""From waiting work to changes ready to be written: what cannot be made or kept whole is counted, and shrinks."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from proxy.ledger.backlog import Entry
from proxy.ledger.bodies import Packer
from proxy.ledger.changes import Change
from proxy.ledger.counters import Counters
from proxy.ledger.writing import Failed, Prepared, prepare, smaller, without_bodies

_log = logging.getLogger(__name__)


class Making:
    """Runs in the recorder thread."""

    def __init__(
        self, process: str, counters: Counters, packer: Packer, clock_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self._process = process
        self._counters = counters
        self._packer = packer
        self._clock_ns = clock_ns
        self._complained = False

    def made(self, entry: Entry) -> Prepared | None:
        """What the work makes; one that raises closes its exchange. None when nothing is to be written."""
        if entry.work is None:
            return self._ready(self._failed(entry.request_id), counted=True)
        try:
            change = entry.work()
        except Exception as error:
            self._complain("a record could not be made", error)
            self._counters.add("poison")
            return self._ready(self._failed(entry.request_id), counted=True)
        return self._ready(change)

    def smaller(self, spoiled: Prepared) -> Prepared | None:
        """What can be kept of a record that the ledger refuses; None when nothing is left."""
        self._counters.add("poison", 0 if spoiled.reduced else 1)
        less = self._ready(self._less(spoiled.change), counted=True)
        if less is None:
            self._counters.add("records_lost", int(spoiled.finishes))
        else:
            less.reduced = True
        return less

    def light(self, ready: Prepared, reason: str = "disk_full") -> Prepared:
        """The same without bodies, for a full disk; a request body may come twice, so what ends is counted."""
        if not ready.has_bodies or isinstance(ready.change, Failed):
            return ready
        self._counters.add(reason, int(ready.finishes))
        return prepare(without_bodies(ready.change, reason), self._packer)

    def spared(self, refused: Prepared) -> Prepared | None:
        """What to try where the ledger is damaged: bodies lie elsewhere than rows; None when nothing is left."""
        if refused.has_bodies:
            less = self.light(refused, "ledger_error")
            less.reduced = True
            return less
        self._counters.add("ledger_error", int(refused.finishes and not refused.reduced))
        self._counters.add("records_lost", int(refused.finishes))
        return None

    def relieved(self, entry: Entry) -> Callable[[], Change | None] | None:
        """Runs work before its time: work that gives its change without the bodies; None when there is none.

        What ends an exchange is counted; of what comes before, the end has everything again.
        """
        try:
            change = entry.work() if entry.work else None
            light = None if change is None else without_bodies(change, "queue_full")
        except Exception as error:
            self._complain("a record could not be made", error)
            return None
        self._counters.add("queue_full", int(entry.request_id is not None))
        return lambda: light

    def _ready(self, change: Change | Failed | None, *, counted: bool = False) -> Prepared | None:
        """A change made ready, or what can be kept of it."""
        while change is not None:
            try:
                return prepare(change, self._packer)
            except Exception as error:
                self._complain("a record cannot be stored whole", error)
                self._counters.add("poison", 0 if counted else 1)
                counted = True
                change = self._less(change)
        return None

    def _less(self, change: Change | Failed) -> Change | Failed | None:
        return smaller(change, self._failed(getattr(getattr(change, "exchange", None), "request_id", None)))

    def _failed(self, request_id: str | None) -> Failed | None:
        return None if request_id is None else Failed(request_id, self._process, self._clock_ns())

    def _complain(self, what: str, error: Exception) -> None:
        """Log the first one only: there may be one with every request."""
        if not self._complained:
            self._complained = True
            _log.error("%s (poison)", what, exc_info=error)
