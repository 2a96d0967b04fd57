"""Exchanges that were read a moment ago, for whoever comes to the same place of the journal: reading one is the dearest
part of telling of it, and all signals tell of all of them.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from proxy.ledger.journal import JournalRow
from proxy.ledger.queries import Listed

MOST_ROWS = 1_024
"""Held at most: a few megabytes."""
HELD_S = 5.0
"""How long at most, so that what retention removes is gone here, too."""

Entry = tuple[JournalRow, Listed | None]
"""A journal row and its exchange; None when retention has removed it."""


@dataclass(frozen=True, slots=True)
class _Block:
    """All rows between two places of the journal."""

    after: int
    entries: Sequence[Entry]
    until_s: float

    @property
    def last(self) -> int:
        return self.entries[-1][0].seq


class Shared:
    """Used by all threads that read the journal."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._blocks: deque[_Block] = deque()

    def put(self, after: int, entries: Sequence[Entry]) -> None:
        """Hold the rows that follow the journal number `after` without a gap, their costs being final."""
        if not entries:
            return
        with self._lock:
            self._blocks.append(_Block(after, entries, self._clock() + HELD_S))
            while len(self._blocks) > 1 and sum(len(block.entries) for block in self._blocks) > MOST_ROWS:
                self._blocks.popleft()

    def after(self, seq: int, limit: int) -> list[Entry]:
        """About `limit` rows that follow `seq` without a gap; empty when the next one is not held."""
        found: list[Entry] = []
        now = self._clock()
        with self._lock:
            for block in self._blocks:
                if len(found) < limit and block.after <= seq < block.last and now < block.until_s:
                    found += [entry for entry in block.entries if entry[0].seq > seq]
                    seq = block.last
        return found
