"""What waits for the recorder thread: a queue bounded by bytes that gives up bodies first and rows last."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from proxy.ledger.changes import Change
from proxy.ledger.counters import Counters

LINGER = 0.02
"""Seconds that the first of a group waits for others, the time of the commit before included."""
GROUP_ROWS = 100
GROUP_BYTES = 4 * 1024 * 1024
ROW_BYTES = 4096
"""What a record without bodies is taken to weigh."""
STUB_BYTES = 256
CROWD = 32
"""So many that wait for their commit are more than one that takes long."""
_NEVER = float("inf")


@dataclass(slots=True, eq=False)
class Entry:
    """One piece of work for the recorder."""

    work: Callable[[], Change | None] | None
    """None when it had to be given up: the exchange `request_id` is then closed without it."""
    held: int
    """Bytes of memory that are free again once it is committed."""
    request_id: str | None
    """The exchange that this work finishes; None when it finishes none."""
    shed: Callable[[], None] | None
    """Makes the work forget its bodies; None when it cannot."""
    taken: bool = False
    since: float = 0.0
    """When it was put, monotonic seconds."""


class Backlog:
    """The queue between the relay's threads and the recorder thread."""

    def __init__(self, counters: Counters, max_held: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._counters = counters
        self._max_held = max_held
        self._clock = clock
        # What is being written cannot be shed, so it may only be a small part of all.
        self._group_bytes = min(GROUP_BYTES, max_held // 8)
        self._ready = threading.Condition(threading.Lock())
        self._queue: deque[Entry] = deque()
        self._queued = 0
        self._held = 0
        self._sheddable: deque[Entry] = deque()
        self._opaque: deque[Entry] = deque()
        self._uncommitted = 0
        self._oldest = 0.0
        self._closed = False

    @property
    def pressed(self) -> bool:
        """Whether more than three quarters of the memory is in use."""
        return self._held * 4 > self._max_held * 3

    @property
    def crowded_since(self) -> float:
        """Since when the oldest of a crowd waits for its commit, monotonic seconds; infinite when few wait.

        Read without the lock: it may be one entry off.
        """
        return self._oldest if self._uncommitted >= CROWD else _NEVER

    def put(self, entry: Entry) -> None:
        """Add one; when memory is short, older bodies go first, and this entry when that is not enough."""
        with self._ready:
            if self._closed:
                self._counters.add("ledger_error")
                self._counters.add("records_lost", 1 if entry.request_id else 0)
                return
            self._held += entry.held
            if entry.held > ROW_BYTES:
                (self._sheddable if entry.shed else self._opaque).append(entry)
            if self._held > self._max_held and not self._make_room(entry):
                return
            entry.since = self._clock()
            if not self._uncommitted:
                self._oldest = entry.since
            self._uncommitted += 1
            self._queue.append(entry)
            self._queued += entry.held
            if len(self._queue) in (1, GROUP_ROWS) or self._queued >= self._group_bytes:
                self._ready.notify()

    @property
    def drained(self) -> bool:
        """Whether nothing waits and nothing will come."""
        with self._ready:
            return self._closed and not self._queue

    def take(self, patience: float = 1.0) -> list[Entry]:
        """Wait for the next group, whose memory counts until `release`; empty when nothing came in `patience` seconds.

        When closed it does not wait.
        """
        with self._ready:
            if not self._queue and not self._closed:
                self._ready.wait(patience)
            if not self._queue:
                return []
            deadline = self._queue[0].since + LINGER
            while not self._closed and len(self._queue) < GROUP_ROWS and self._queued < self._group_bytes:
                remaining = deadline - self._clock()
                if remaining <= 0:
                    break
                self._ready.wait(remaining)
            return self._pop()

    def release(self, group: Sequence[Entry]) -> None:
        """The group is committed, or counted as lost."""
        with self._ready:
            self._held -= sum(entry.held for entry in group)
            self._uncommitted -= len(group)
            if self._queue:
                self._oldest = self._queue[0].since

    def oldest_opaque(self) -> Entry | None:
        """The oldest waiting entry that cannot shed by itself; each is returned once."""
        with self._ready:
            while self._opaque:
                entry = self._opaque.popleft()
                if not entry.taken and entry.work is not None:
                    return entry
            return None

    def lighten(self, entry: Entry, work: Callable[[], Change | None]) -> None:
        """Put lighter work in the place of a waiting entry's."""
        with self._ready:
            entry.work = work
            self._lighten(entry, ROW_BYTES)

    def close(self) -> None:
        """Take nothing more; what waits can still be taken."""
        with self._ready:
            self._closed = True
            self._ready.notify_all()

    def _pop(self) -> list[Entry]:
        group: list[Entry] = []
        size = 0
        most = max(GROUP_ROWS, len(self._queue) // 4)  # where commits are slow, they are made larger
        while self._queue and len(group) < most:
            if group and size + self._queue[0].held > self._group_bytes:
                break
            entry = self._queue.popleft()
            entry.taken = True
            size += entry.held
            group.append(entry)
        self._queued -= size
        # What was taken must not be kept alive by the lists of what could be shed.
        for waiting in (self._sheddable, self._opaque):
            while waiting and waiting[0].taken:
                waiting.popleft()
        return group

    def _make_room(self, entry: Entry) -> bool:
        """Shed until the bound holds; False when `entry` itself had to go.

        What ends an exchange is counted, once: of what comes before its end, the end has everything again.
        """
        shed = False
        while self._held > self._max_held and self._sheddable:
            oldest = self._sheddable.popleft()
            if not oldest.taken and oldest.shed is not None:
                oldest.shed()
                self._counters.add("queue_full")
                self._lighten(oldest, ROW_BYTES, queued=oldest is not entry)
                shed = shed or oldest is entry
        if self._held <= self._max_held:
            return True
        self._held -= entry.held
        entry.taken = True
        if entry.request_id is None:
            return False
        self._counters.add("queue_full", 0 if shed else 1)
        self._counters.add("records_lost")
        if self._held + STUB_BYTES > self._max_held * 9 // 8:
            return False
        entry.work, entry.shed, entry.held, entry.taken = None, None, STUB_BYTES, False
        self._held += STUB_BYTES
        return True

    def _lighten(self, entry: Entry, held: int, *, queued: bool = True) -> None:
        saved = max(0, entry.held - held)
        entry.held -= saved
        entry.shed = None
        self._held -= saved
        if queued:
            self._queued -= saved
