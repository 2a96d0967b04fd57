"""How long a new request waits where records are made more slowly than requests come.

Otherwise what waits for its commit, and what a killed process would lose, grows for as long as the load lasts. No
request waits for a disk: then records wait.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from proxy.ledger.backlog import Backlog
from proxy.ledger.counters import Counters

LATE_S = 0.05
"""How old what waits may be before new requests wait for it."""
GENTLE = 0.3
"""How much of what it is late a request waits, at first: all of it at once would let requests come in waves."""
LONGEST_S = 1.0
AT_WORK_S = 0.25
"""A recorder that made nothing for so long is held up, not behind."""


class Pace:
    """The recorder thread notes whether it works or waits; the event loop asks."""

    def __init__(self, backlog: Backlog, counters: Counters, clock: Callable[[], float] = time.monotonic) -> None:
        self._backlog = backlog
        self._counters = counters
        self._clock = clock
        self._begun = 0.0
        self._worked = 0.0
        self._waits_since: float | None = None
        self._waited = 0.0
        self._held_up = False

    def begin(self) -> None:
        """A group is begun."""
        self._begun, self._waited = self._clock(), 0.0

    def works(self) -> None:
        """The thread works, and no longer waits."""
        now = self._clock()
        if self._waits_since is not None:
            self._waited += now - self._waits_since
            self._waits_since = None
        self._worked = now

    def waits(self) -> None:
        """The thread waits for the disk."""
        self._waits_since = self._clock()

    def locked_out(self, seconds: float) -> None:
        """Other relays had the ledger for so long: their work as much as their disk, so it says neither."""
        self._begun += seconds

    def end(self) -> None:
        """The group is done with: was it the disk that took most of the time?"""
        self._held_up = 2 * self._waited > self._clock() - self._begun

    def wait(self) -> float:
        """Seconds that a new request has to wait; counted unless 0."""
        now = self._clock()
        late = now - self._backlog.crowded_since - LATE_S
        if late <= 0 or self._held_up or self._waits_since is not None or now - self._worked > AT_WORK_S:
            return 0.0
        self._counters.add("requests_paced")
        return min(late * (GENTLE + late), LONGEST_S)
