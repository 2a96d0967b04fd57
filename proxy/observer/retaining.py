"""The retaining thread: keeps the ledger within its bounds and its disk, in small steps with pauses between them."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Collection
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol

from proxy.ledger import damage, retention
from proxy.ledger.connect import cut_log, writer
from proxy.ledger.errors import Trouble, trouble
from proxy.ledger.folder import Folder
from proxy.ledger.retention import Retention
from proxy.ledger.space import Space
from proxy.observer.complaints import Seldom

WAL_BYTES = 16 * 1024 * 1024
"""A longer write-ahead log is cut."""
_LOOK_S = 1.0
"""How often files and disk are looked at."""
_TRIM_S = 60.0
"""How often what is too old is looked for."""
_LOW_S = 5.0
"""The same while the disk is nearly full."""
_STEP_PAUSE_S = 0.05
_SWOLLEN = 1.05
"""Files that are so much larger than the ledger may be are cut; more often would be work for nothing."""

_log = logging.getLogger(__name__)


class Kept(Retention, Protocol):
    """What the settings say, of the disk too: bytes."""

    @property
    def min_free(self) -> int:
        """Free space below which bodies are not stored."""

    @property
    def reserve(self) -> int:
        """Size of the file that is given back on a full disk."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the ledger may keep at the moment."""

    bodies: float
    metadata: float
    max_bytes: int


class Retaining:
    """Owns the thread and what it knows of the disk."""

    def __init__(
        self,
        folder: Folder,
        kept: Kept,
        evicted: Callable[[int], None],
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """`evicted` takes the number of exchanges that were removed before a signal had exported them."""
        self._folder = folder
        self._kept = kept
        self._space = Space(folder, kept.min_free, kept.reserve)
        self._evicted = evicted
        self._clock_ns = clock_ns
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="retain", daemon=True)
        self._signals: Collection[str] = ()
        self._failing = Seldom()
        self._low = False
        self._full = False

    def start(self, signals: Collection[str]) -> None:
        """Start the thread; `signals` are the cursors that the journal waits for."""
        self._signals = signals
        self._thread.start()

    def stop(self) -> None:
        """Tell the thread to end after its step."""
        self._stop.set()

    def join(self, timeout: float) -> None:
        """Wait for its end."""
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def degraded(self) -> list[str]:
        """`disk_full`: nothing can be written; `disk_low`: bodies are not stored; empty when there is room."""
        return [reason for reason, holds in (("disk_full", self._full), ("disk_low", self._low)) if holds]

    def _run(self) -> None:
        due = 0.0
        while not self._stop.wait(_STEP_PAUSE_S):
            if self._look() or time.monotonic() >= due or self._large():
                again = self._trim()
                due = time.monotonic() + (0.0 if again else _LOW_S if self._low else _TRIM_S)
            self._stop.wait(_LOOK_S)

    def _look(self) -> bool:
        """See how much room there is and act on it; whether there is less than before, or the reserve to work with."""
        before, self._low = self._low, self._space.low()
        self._full = self._space.full()
        if self._full and self._space.release():
            _log.error("the disk of %s is full: the reserve was given back, make room", self._folder.path)
            return True
        if not self._low:
            self._space.hold()
        return self._low and not before

    def _large(self) -> bool:
        """Whether the ledger has outgrown its limit or its log is long."""
        try:
            return self._swollen() or self._folder.ledger.stat().st_size > self._kept.max_bytes
        except OSError:
            return False

    def _swollen(self) -> bool:
        """Whether the files take more than what is in them may: freed pages and log are to be cut off."""
        size, log = self._folder.ledger.stat().st_size, self._space.look().log
        return log > WAL_BYTES or size + log > self._kept.max_bytes * _SWOLLEN

    def _trim(self) -> bool:
        """Do all there is to do; whether the reserve was given back for want of space, so that more can be done now."""
        try:
            with closing(writer(self._folder.ledger)) as conn:
                self._steps(conn)
        except Exception as error:
            damage.met(self._folder, error)
            if trouble(error) is Trouble.FULL and self._space.release():
                return True
            if self._failing.now():
                _log.exception("retention failed and will be tried again")
        else:
            self._failing.over()
        return False

    def _steps(self, conn: sqlite3.Connection) -> None:
        more = True
        while more and not self._stop.wait(_STEP_PAUSE_S):
            # Only then is what was freed the disk's again, and there is room for the next step.
            if self._low or self._swollen():
                cut_log(conn)
            trimmed = retention.trim(conn, self._bounds(), self._clock_ns(), self._signals)
            if trimmed.unexported:
                self._evicted(trimmed.unexported)
            more = trimmed.more
        if self._low or self._swollen():
            retention.give_back(conn, least=1)
            cut_log(conn)

    def _bounds(self) -> Bounds:
        used = self._folder.ledger.stat().st_size
        kept = self._kept
        return Bounds(kept.bodies, kept.metadata, self._space.allowed(used, kept.max_bytes))
