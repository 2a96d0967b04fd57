"""Pricing again what is recorded, after the price table has changed; the running observer is not asked.

Each exchange gets line items of the installed table, which count from then on; the earlier ones stay. What was exported
is not sent again, and totals keep what was counted.
"""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

from proxy.ledger import costs, cursors, journal, queries
from proxy.ledger.connect import transaction, writer
from proxy.ledger.errors import LedgerError
from proxy.ledger.filters import Filter
from proxy.ledger.folder import Folder
from proxy.observer.costs import cost_of
from proxy.observer.delivery.replies import Signal
from proxy.pricing import PriceTable

STEP = 100
_BUSY_MS = 60_000
_PAUSE_S = 0.01
"""Between two steps, so that recorders and the observer get their turn."""


@dataclass(frozen=True, slots=True)
class Repriced:
    """How many exchanges there were of each kind."""

    price_version: str
    changed: int = 0
    """They have a new price."""
    unchanged: int = 0
    """They had just that price already."""
    unknown: int = 0
    """Model or usage are not known, or it is still open: whatever price there was stays."""
    waiting: int = 0
    """The observer has not come to them yet, and will price them itself."""


def reprice(folder: Folder, where: Filter, progress: Callable[[int], None] = lambda _: None) -> Repriced:
    """Price everything that matches and was accepted until now; `progress` takes the number of each step.

    Doing it again changes nothing. Raises LedgerError when the ledger cannot be written.
    """
    bounded = where.until(time.time_ns())
    prices = PriceTable()
    kinds: Counter[str] = Counter()
    last: str | None = ""
    try:
        with closing(writer(folder.ledger, _BUSY_MS)) as conn:
            while last is not None:
                step, last = _step(conn, bounded, last, prices)
                kinds += step
                progress(step.total())
                time.sleep(_PAUSE_S)
    except sqlite3.Error as error:
        raise LedgerError(f"the ledger {folder.ledger} cannot be written ({error}): run the command again") from error
    return Repriced(prices.version, **kinds)


def _step(conn: sqlite3.Connection, where: Filter, after: str, prices: PriceTable) -> tuple[Counter[str], str | None]:
    """The next ones after an id, and the last of them; None when there was none."""
    with transaction(conn):
        found = queries.newer(conn, where, after, STEP)
        ids = [listed.exchange.request_id for listed in found]
        waiting = journal.ahead(conn, cursors.get(conn, Signal.METRICS.value) or 0, ids)
        new = {
            listed.exchange.request_id: (listed.cost, cost)
            for listed in found
            if listed.exchange.outcome is not None
            and listed.exchange.request_id not in waiting
            and (cost := cost_of(listed.exchange, prices)) is not None
        }
        changed = {request_id: cost for request_id, (before, cost) in new.items() if before != cost}
        for request_id, cost in changed.items():
            costs.save(conn, request_id, cost)
    unknown = len(found) - len(new) - len(waiting)
    kinds = Counter(changed=len(changed), unchanged=len(new) - len(changed), unknown=unknown, waiting=len(waiting))
    return kinds, max(ids, default=None)
