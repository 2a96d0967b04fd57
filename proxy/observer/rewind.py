"""Sending again what was sent before: the cursor of a signal is set back, the running observer does the rest."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from proxy.ledger import cursors, journal
from proxy.ledger.connect import transaction, writer
from proxy.ledger.errors import LedgerError
from proxy.ledger.folder import Folder

_METRICS = "metrics"


def rewind(folder: Folder, signal: str, since_ns: int) -> int:
    """Set `signal` (logs, spans) back to what was committed since `since_ns`; how many requests are ahead of it then.

    Harmless while an observer runs. What retention has removed from the journal cannot be sent again.
    Raises LedgerError for metrics, which are totals, and for a signal that is not exported.
    """
    if signal == _METRICS:
        raise LedgerError("metrics are totals and always sent whole: there is nothing to send again")
    with closing(writer(folder.ledger)) as conn, transaction(conn):
        here = cursors.get(conn, signal)
        if here is None:
            raise LedgerError(f"{signal} are not exported: set an OTLP endpoint and start the proxy first")
        cursors.set(conn, signal, min(here, journal.seq_before(conn, since_ns)))
        return _ahead(conn, signal)


def _ahead(conn: sqlite3.Connection, signal: str) -> int:
    return journal.pending(conn, cursors.get(conn, signal) or 0)[0]
