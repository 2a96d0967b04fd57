"""Counts that must be visible even while the ledger cannot be written: a small mapped file per counting process.

Monotonic but for the gauge. The file is allocated at once, because a sparse one dies of SIGBUS on the full disk
it exists for. The observer adds the differences to the totals.
"""

from __future__ import annotations

import mmap
import os
import struct
import threading
from bisect import bisect_left
from dataclasses import dataclass
from pathlib import Path

from proxy.ledger.folder import Folder

DROP_REASONS = ("disk_full", "queue_full", "too_large", "evicted", "ledger_error", "poison", "export_rejected")
"""Why something accepted is not, or not wholly, stored: one count per record concerned."""

COUNTERS = (*DROP_REASONS, "records_lost", "read_errors", "auth_failures", "requests_paced")
"""`records_lost`: nothing of them is stored (for `queue_full`: at most that they ended); counted by reason, too.
`requests_paced`: requests that had to wait for the recorder."""

GAUGES = ("requests_open",)

BUCKETS_MS = (0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0)
"""Upper bounds, inclusive; one more bucket is for what lies above."""

HISTOGRAMS = ("commit_ms", "loop_stall_ms")

_MAGIC = b"apxyct02"
_SCALARS = (*COUNTERS, *GAUGES)
_WIDTH = len(BUCKETS_MS) + 2
"""Buckets, the one above, and the sum in microseconds."""
_SLOTS = len(_SCALARS) + len(HISTOGRAMS) * _WIDTH
_SIZE = len(_MAGIC) + _SLOTS * 8


@dataclass(frozen=True, slots=True)
class Histogram:
    """Observations of one kind, in milliseconds."""

    counts: tuple[int, ...]
    """Per bucket of BUCKETS_MS, not cumulative, and one for what lies above."""
    sum_ms: float


@dataclass(frozen=True, slots=True)
class Counted:
    """What one process has counted."""

    values: dict[str, int]
    """COUNTERS and GAUGES by name."""
    histograms: dict[str, Histogram]


class Counters:
    """The counters of this process; safe to use from every thread."""

    def __init__(self, path: Path, mapped: mmap.mmap) -> None:
        self._path = path
        self._mapped = mapped
        self._slots = memoryview(mapped)[len(_MAGIC) :].cast("q")
        self._lock = threading.Lock()
        self._index = {name: number for number, name in enumerate(_SCALARS)}
        self._bases = {name: len(_SCALARS) + number * _WIDTH for number, name in enumerate(HISTOGRAMS)}

    @classmethod
    def create(cls, folder: Folder, process: str) -> Counters:
        """Make the file of `process`, all zero. Raises OSError, on a full disk too."""
        path = folder.counter(process)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.fchmod(descriptor, 0o600)
            os.write(descriptor, bytes(_SIZE))  # as posix_fallocate does, which not every system has
            os.fsync(descriptor)
            mapped = mmap.mmap(descriptor, _SIZE)
        except OSError:
            path.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)
        mapped[: len(_MAGIC)] = _MAGIC
        return cls(path, mapped)

    def add(self, name: str, n: int = 1) -> None:
        """Add to a counter, or move a gauge by a positive or negative number. KeyError for an unknown name.

        Nothing happens once the file is closed: a late thread must not fail for it.
        """
        slot = self._index[name]
        with self._lock:
            if not self._mapped.closed:
                self._slots[slot] += n

    def observe(self, name: str, ms: float) -> None:
        """Count one observation of a histogram, in milliseconds. KeyError for an unknown name."""
        base = self._bases[name]
        with self._lock:
            if not self._mapped.closed:
                self._slots[base + bisect_left(BUCKETS_MS, ms)] += 1
                self._slots[base + _WIDTH - 1] += round(ms * 1000)

    def read(self) -> Counted:
        """What has been counted so far."""
        with self._lock:
            return _counted(self._slots.tolist())

    def close(self) -> None:
        """Let go of the file, which stays for the observer."""
        with self._lock:
            self._slots.release()
            self._mapped.close()


def read_all(folder: Folder) -> dict[str, Counted]:
    """What every process has counted, by its start id; unreadable files are left out."""
    found = {}
    for path in sorted(folder.counters.glob("*.counters")):
        counted = _read(path)
        if counted is not None:
            found[path.stem] = counted
    return found


def remove(folder: Folder, process: str) -> None:
    """Delete the file of a dead process, once its counts are in the totals."""
    folder.counter(process).unlink(missing_ok=True)


def _read(path: Path) -> Counted | None:
    try:
        data = path.read_bytes()
    except OSError:
        return None
    if len(data) != _SIZE or not data.startswith(_MAGIC):
        return None
    return _counted(list(struct.unpack_from(f"={_SLOTS}q", data, len(_MAGIC))))


def _counted(slots: list[int]) -> Counted:
    histograms = {}
    for number, name in enumerate(HISTOGRAMS):
        base = len(_SCALARS) + number * _WIDTH
        counts = tuple(slots[base : base + _WIDTH - 1])
        histograms[name] = Histogram(counts, slots[base + _WIDTH - 1] / 1000)
    return Counted(dict(zip(_SCALARS, slots, strict=False)), histograms)
