"""The ledger as the commands open it: read only, and every trouble with it one sentence."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

from proxy.ledger import meta, schema
from proxy.ledger.connect import reader
from proxy.ledger.errors import LedgerRefused
from proxy.ledger.folder import Folder


@contextmanager
def ledger(folder: Folder, *, current: bool = False) -> Iterator[sqlite3.Connection]:
    """A connection to read with. Raises LedgerRefused for a file that is missing, foreign, newer or unreadable.

    `current`: for an older one, too, because it is to be changed.
    """
    if not folder.ledger.exists():
        raise LedgerRefused(f"there is no ledger in {folder.path}: name the folder that a proxy writes to with --data")
    try:
        with closing(reader(folder.ledger)) as conn:
            meta.instance_id(conn)
            if schema.version(conn) > len(schema.scripts()):
                raise LedgerRefused(f"the ledger {folder.ledger} was written by a newer version: update this one")
            if current and schema.version(conn) < len(schema.scripts()):
                raise LedgerRefused(f"the ledger {folder.ledger} was written by an older version: start the proxy once")
            yield conn
    except sqlite3.Error as error:
        raise LedgerRefused(f"the ledger {folder.ledger} cannot be read ({error}): `serve` says what to do") from error
