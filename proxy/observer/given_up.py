"""What a signal gave up on: a dead letter per journal row, and counts that stay when dead letters are cleared away."""

from __future__ import annotations

import sqlite3

import msgspec

from proxy.ledger import dead_letters, meta
from proxy.ledger.journal import JournalRow
from proxy.observer.delivery.replies import Signal

EXPORT_REJECTED = "export_rejected"
"""The receiver refuses this very record."""
TOO_OLD = "too_old"
"""The receiver would refuse it for its age."""
POISON = "poison"
"""It could not be made."""
PARTIAL = "partial"
"""The receiver took a batch but for some records, and does not say which."""
REASONS = (EXPORT_REJECTED, TOO_OLD, POISON, PARTIAL)

MOST_IN_A_ROW = 10
"""As many records in a row that cannot be made are the program's fault: the others wait for a better one."""

_NOTE = "given_up"
Counts = dict[str, dict[str, int]]
"""By signal and reason."""


def note(conn: sqlite3.Connection, signal: Signal, row: JournalRow, reason: str, detail: str | None) -> None:
    """Write a dead letter and count it; the caller owns the transaction."""
    dead_letters.add(conn, signal.value, row.seq, row.request_id, reason, detail)
    count(conn, signal, reason, 1)


def count(conn: sqlite3.Connection, signal: Signal, reason: str, number: int) -> None:
    """Count only; the caller owns the transaction."""
    known = counts(conn)
    reasons = known.setdefault(signal.value, {})
    reasons[reason] = reasons.get(reason, 0) + number
    meta.put(conn, _NOTE, msgspec.json.encode(known).decode())


def counts(conn: sqlite3.Connection) -> Counts:
    """Everything ever given up."""
    stored = meta.get(conn, _NOTE)
    return {} if stored is None else msgspec.json.decode(stored, type=Counts)
