"""Adds what the relay processes counted in their own small files to the totals: differences, each once."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import msgspec

from proxy.ledger import counters, meta
from proxy.ledger.counters import Counted
from proxy.ledger.folder import Folder
from proxy.ledger.processes import alive
from proxy.names import metrics
from proxy.names.metrics import Instrument
from proxy.observer.given_up import EXPORT_REJECTED
from proxy.observer.table import Draft

_NOTE = "counted"
_COUNTERS: dict[str, Instrument] = {
    "read_errors": metrics.READ_ERRORS,
    "auth_failures": metrics.AUTH_FAILURES,
    "requests_paced": metrics.REQUESTS_PACED,
}
_HISTOGRAMS: dict[str, Instrument] = {"commit_ms": metrics.LEDGER_COMMIT, "loop_stall_ms": metrics.LOOP_STALL}

_YOUNG_S = 5.0
EVICTED = "evicted"
STORING_FAILED = tuple(reason for reason in counters.DROP_REASONS if reason != EXPORT_REJECTED)
"""Reasons that relay processes and retention count; the other one is counted where it is delivered."""

_Flat = dict[str, list[float]]
"""By name: a count, or the buckets of a histogram followed by its sum."""


class Folding:
    """One look at the files. `note` and the draft belong into one transaction, then comes `finish`."""

    def __init__(self, conn: sqlite3.Connection, folder: Folder) -> None:
        self._folder = folder
        # Who is dead must be known first: what it counted last is then in the file.
        self._dead = [path.stem for path in folder.counters.glob("*.counters") if _dead(folder, path)]
        self._now = {process: _flat(counted) for process, counted in counters.read_all(folder).items()}
        self._before = _read(meta.get(conn, _NOTE))

    @property
    def changed(self) -> bool:
        """Whether there is anything to write."""
        return self._now != self._before or bool(self._dead)

    def add_to(self, draft: Draft) -> None:
        """Add the differences."""
        for process, flat in self._now.items():
            for name, numbers in flat.items():
                before = self._before.get(process, {}).get(name, [0.0] * len(numbers))
                _add(draft, name, [new - old for new, old in zip(numbers, before, strict=True)])

    def note(self, conn: sqlite3.Connection) -> None:
        """Write down how far each file was read; the caller owns the transaction."""
        meta.put(conn, _NOTE, msgspec.json.encode(self._now).decode())

    def finish(self) -> None:
        """Delete the files of dead processes, after the commit."""
        for process in self._dead:
            counters.remove(self._folder, process)


def _dead(folder: Folder, path: Path) -> bool:
    """A process makes its file shortly before it takes its lock."""
    try:
        young = time.time() - path.stat().st_mtime < _YOUNG_S
    except FileNotFoundError:
        return False
    return not young and not alive(folder, path.stem)


def _flat(counted: Counted) -> _Flat:
    flat: _Flat = {name: [float(counted.values[name])] for name in (*STORING_FAILED, *_COUNTERS)}
    for name in _HISTOGRAMS:
        histogram = counted.histograms[name]
        flat[name] = [*(float(count) for count in histogram.counts), histogram.sum_ms]
    return flat


def _add(draft: Draft, name: str, difference: list[float]) -> None:
    if not any(difference):
        return
    if name in _HISTOGRAMS:
        draft.merge(_HISTOGRAMS[name], [int(count) for count in difference[:-1]], difference[-1])
    elif name in _COUNTERS:
        draft.add(_COUNTERS[name], int(difference[0]))
    elif name in STORING_FAILED:
        draft.add(metrics.DROPPED, int(difference[0]), name)


def _read(note: str | None) -> dict[str, _Flat]:
    try:
        return {} if note is None else msgspec.json.decode(note, type=dict[str, _Flat])
    except msgspec.DecodeError:
        return {}
