"""Every counter and histogram of the exported metrics, kept for good: the series never restart."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

Labels = tuple[tuple[str, str | int | float | bool], ...]
"""Name and value of each label, sorted by name."""


@dataclass(frozen=True, slots=True)
class Total:
    """One series."""

    instrument: str
    labels: Labels
    value: int | float
    """The counter, or the sum of a histogram."""
    started_ns: int
    """When the series began, Unix nanoseconds."""
    buckets: tuple[int, ...] | None = None
    """Observations per bucket, not cumulative, the last for what lies above; None for a counter."""


def load(conn: sqlite3.Connection) -> list[Total]:
    """All series."""
    rows = conn.execute("SELECT instrument, labels, value, started_ns, buckets FROM totals")
    return [
        Total(
            instrument,
            tuple((name, each) for name, each in json.loads(labels)),
            value,
            started_ns,
            None if buckets is None else tuple(json.loads(buckets)),
        )
        for instrument, labels, value, started_ns, buckets in rows
    ]


def save(conn: sqlite3.Connection, changed: Iterable[Total]) -> None:
    """Write the series that changed, in the transaction that moves the cursor: the caller owns it."""
    conn.executemany(
        "INSERT OR REPLACE INTO totals (instrument, labels, value, started_ns, buckets) VALUES (?, ?, ?, ?, ?)",
        [
            (
                total.instrument,
                json.dumps(sorted(total.labels), separators=(",", ":")),
                total.value,
                total.started_ns,
                None if total.buckets is None else json.dumps(total.buckets, separators=(",", ":")),
            )
            for total in changed
        ],
    )
