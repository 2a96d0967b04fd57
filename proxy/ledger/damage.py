"""Damage of the ledger: looked for at start, and noted when it is met later, so that the next start looks everywhere.

To read every page of a large file would delay each start. But writing a record, which is then taken back, goes through
every table and index that a relay needs, and what the observer cannot do without is small.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from proxy.exchange import Attempt, Exchange, Hop, LimitReading, Outcome, WindowReading
from proxy.ledger import costs
from proxy.ledger.bodies import Packer
from proxy.ledger.changes import Body, Finished, Opened
from proxy.ledger.connect import transaction
from proxy.ledger.costs import Cost
from proxy.ledger.errors import Trouble, trouble
from proxy.ledger.writing import make_ready, prepare, write

if TYPE_CHECKING:
    from proxy.ledger.folder import Folder

SMALL = 64 * 1024 * 1024
"""Files up to this size are checked page by page at each start; that takes a moment."""
_NEEDED = ("ledger_meta", "cursors", "totals", "facets")
"""Small tables that are read as a whole."""
_LAST = "px_~"
"""Sorts behind every request id: what is looked at is what the next record will be written into."""
_log = logging.getLogger(__name__)


class _TakenBack(Exception):
    """Ends the transaction of a record that was only a trial."""


def met(folder: Folder, error: Exception) -> bool:
    """Whether `error` says that the ledger is damaged; then that is noted and, the first time, said."""
    if trouble(error) is not Trouble.DAMAGED:
        return False
    try:
        folder.damaged.touch(mode=0o600, exist_ok=False)
    except FileExistsError:
        return True
    except OSError:
        pass  # said all the same
    _log.error(
        "the ledger %s is damaged (%s): what cannot be written to it is lost and counted; start the proxy again,"
        " which then moves it aside and begins a new one",
        folder.ledger,
        error,
    )
    return True


def find(conn: sqlite3.Connection, folder: Folder) -> str | None:
    """What is wrong with the pages of the ledger; None when nothing was found.

    May raise sqlite3.DatabaseError or UnicodeDecodeError instead.
    """
    if folder.damaged.exists():
        _log.warning("damage was met in %s: it is checked as a whole, which may take minutes", folder.ledger)
        checks = ["integrity_check(1)"]
    elif folder.ledger.stat().st_size <= SMALL:
        checks = ["quick_check(1)"]
    else:
        checks = [f"quick_check({table})" for table in _NEEDED]
    for check in checks:
        verdict = str(conn.execute(f"PRAGMA {check}").fetchone()[0])
        if verdict != "ok":
            return " ".join(verdict.split())
    return None


def attempt(conn: sqlite3.Connection) -> str | None:
    """Write what relay and observer write for a request, and take it back; the ledger must have the newest version.

    Returns why that cannot be written, None when it can. Raises sqlite3.DatabaseError or UnicodeDecodeError.
    """
    packer = Packer()
    ready = [prepare(change, packer) for change in _sample()]
    make_ready(conn, ready, packer)
    try:
        with suppress(_TakenBack), transaction(conn):
            write(conn, ready, time.time_ns())
            costs.save_first(conn, {_LAST: Cost(_LAST, Decimal(0))})
            raise _TakenBack
    # What is read there is of another type than it must be, or was to be unique.
    except (TypeError, ValueError, OverflowError, sqlite3.IntegrityError) as error:
        if isinstance(error, UnicodeDecodeError):
            raise
        return f"no record can be written: {error}"
    return None


def _sample() -> tuple[Opened, Finished]:
    """One that is open and one that is finished, with something for every table."""
    begun = Exchange(request_id=f"{_LAST}~", process=_LAST, started_ns=time.time_ns(), method="", path="", endpoint="")
    over = replace(
        begun,
        request_id=_LAST,
        outcome=Outcome.PROXY_ERROR,
        session_id=_LAST,
        message_id=_LAST,
        upstream_request_id=_LAST,
        attempts=(Attempt(1, "", "", 0, ""),),
        windows=(WindowReading(_LAST, "", None),),
        limits=(LimitReading(_LAST, "", None, None, None),),
    )
    # Hashes stand anywhere in their indices: some pieces of a conversation, and a body that stays whole.
    messages = ",".join(f'{{"role":"user","content":"{os.urandom(512).hex()}"}}' for _ in range(8))
    bodies = {Hop.CLIENT_REQUEST: f'{{"messages":[{messages}]}}'.encode(), Hop.UPSTREAM_RESPONSE: os.urandom(64)}
    return Opened(begun), Finished(
        over,
        headers={Hop.CLIENT_REQUEST: (("", ""),)},
        bodies={hop: Body((content,), len(content)) for hop, content in bodies.items()},
        chunks=((0, 0.0),),
    )
