"""The health family: what is shown on `/metrics` only, because it tells what the other channels lose."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path

from proxy.ledger import counters, journal
from proxy.ledger.folder import Folder
from proxy.ledger.processes import alive
from proxy.names import metrics
from proxy.observer import given_up
from proxy.observer.delivery.replies import Signal
from proxy.observer.table import Point


class Health:
    """How the delivery of a signal is doing; written by its thread, read by any."""

    def __init__(self) -> None:
        self.up: bool | None = None
        """Whether the last delivery succeeded; None before the first."""
        self.failures = 0


def points(
    conn: sqlite3.Connection,
    folder: Folder,
    signals: Mapping[Signal, tuple[Health, int]],
    now_ns: int,
) -> Iterator[Point]:
    """What is read at the moment of a scrape; `signals` has each one that is sent, and how far it has come."""
    yield metrics.REQUESTS_OPEN, (), _open(folder)
    yield metrics.LEDGER_SIZE, (), _size(folder.ledger)
    yield metrics.LEDGER_FREE, (), shutil.disk_usage(folder.path).free
    yield metrics.LEDGER_SET_ASIDE, (), sum(not path.name.endswith(("-wal", "-shm")) for path in folder.set_aside())
    for signal, (health, seq) in signals.items():
        oldest = journal.after(conn, seq, 1)
        lag = max(0.0, (now_ns - oldest[0].commit_ns) / 1e9) if oldest else 0.0
        yield metrics.EXPORT_LAG, (signal.value,), lag
        yield metrics.EXPORT_FAILURES, (signal.value,), health.failures
        if health.up is not None:
            yield metrics.EXPORTER_UP, (signal.value,), int(health.up)
    yield from _given_up(conn)


def _given_up(conn: sqlite3.Connection) -> Iterator[Point]:
    known = given_up.counts(conn)
    # Zeros, too: a counter that appears with its first event has not increased for Prometheus.
    for signal, reason in product(Signal, given_up.REASONS):
        yield metrics.DEAD_LETTERS, (signal.value, reason), known.get(signal.value, {}).get(reason, 0)
    yield metrics.DROPPED, (given_up.EXPORT_REJECTED,), sum(sum(reasons.values()) for reasons in known.values())


def _open(folder: Folder) -> int:
    """What a process that was killed had open is so no more, though its file is still there."""
    counted = counters.read_all(folder)
    return sum(counted[process].values["requests_open"] for process in counted if alive(folder, process))


def _size(ledger: Path) -> int:
    total = 0
    for path in (ledger, ledger.with_name(ledger.name + "-wal"), ledger.with_name(ledger.name + "-shm")):
        if path.exists():
            total += path.stat().st_size
    return total
