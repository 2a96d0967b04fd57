"""Guessing at secrets: after so many wrong ones a minute from one address, the next are told to wait.

A right one is let in all the same: who guesses must not lock out those who come by the same address, as from behind a
proxy in front. What keeps guessing from ever finding it is its length.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

MOST_FAILURES = 30
"""More than a person mistypes, and a scraper with an old token asks four times a minute."""
WINDOW_S = 60.0
_MOST_ADDRESSES = 1_000


class Guesses:
    """Counts wrong secrets by address, in bounded memory."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures: dict[str, tuple[float, int]] = {}

    def failed(self, address: str) -> None:
        """Count a wrong secret."""
        with self._lock:
            began, count = self._failures.pop(address, (self._clock(), 0))
            if self._clock() - began > WINDOW_S:
                began, count = self._clock(), 0
            self._failures[address] = began, count + 1
            if len(self._failures) > _MOST_ADDRESSES:
                del self._failures[next(iter(self._failures))]

    def wait(self, address: str) -> int | None:
        """Seconds for which a wrong secret from there is one too many; None while it is not."""
        began, count = self._failures.get(address, (0.0, 0))
        left = began + WINDOW_S - self._clock()
        return max(1, round(left)) if count > MOST_FAILURES and left > 0 else None
