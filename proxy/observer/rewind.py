"""Sending again what was sent before: the cursor of a signal is set back, the running observer does the rest."""

from __future__ import annotations

from contextlib import closing

from proxy.ledger import cursors, journal
from proxy.ledger.connect import transaction, writer
from proxy.ledger.errors import LedgerError
from proxy.ledger.folder import Folder

REWINDABLE = ("logs", "spans")
"""Signals that can be sent twice and are the same records then; metrics are sums, sent whole every time anyway."""


def rewind(folder: Folder, signal: str, since_ns: int) -> int:
    """Set a signal back to what was committed since `since_ns`; of how many requests it is sent once more.

    Harmless while an observer runs; what is still to be sent is never skipped. What retention has removed from the
    journal cannot be sent again. Raises LedgerError for a signal that is not exported.
    """
    if signal not in REWINDABLE:
        raise LedgerError(f"{signal} cannot be sent again, only {' and '.join(REWINDABLE)}")
    with closing(writer(folder.ledger)) as conn, transaction(conn):
        here = cursors.get(conn, signal)
        if here is None:
            raise LedgerError(f"{signal} are not exported: set an OTLP endpoint and start the proxy first")
        place = min(here, journal.seq_before(conn, since_ns))
        cursors.set(conn, signal, place)
    return here - place
