"""How long a new request waits where records are made more slowly than requests come.

Otherwise what waits for its commit, and what a killed process would lose, grows for as long as the load lasts. No
request waits for a disk: then records wait.
"""

from __future__ import annotations

import time

from proxy.ledger.backlog import Backlog
from proxy.ledger.counters import Counters

LATE_S = 0.05
"""How old what waits may be before new requests wait for it."""
LONGEST_S = 1.0
AT_WORK_S = 0.25
"""A recorder that made nothing for so long is held up, not behind."""


class Pace:
    """The recorder thread notes that it works; the event loop asks."""

    def __init__(self, backlog: Backlog, counters: Counters) -> None:
        self._backlog = backlog
        self._counters = counters
        self._worked = 0.0

    def worked(self) -> None:
        """A record is being made now."""
        self._worked = time.monotonic()

    def wait(self) -> float:
        """Seconds that a new request has to wait; counted unless 0."""
        now = time.monotonic()
        late = now - self._backlog.crowded_since - LATE_S
        if late <= 0 or now - self._worked > AT_WORK_S:
            return 0.0
        self._counters.add("requests_paced")
        return min(late, LONGEST_S)
