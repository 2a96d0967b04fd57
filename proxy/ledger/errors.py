"""What can be wrong with the ledger, and how SQLite's errors map to it.

LedgerError                one sentence naming the file and the remedy
├─ LedgerRefused           foreign, newer or in use: nothing was touched
├─ LedgerDamaged           unreadable as a database
└─ QueryTimeout            a read took longer than it may
"""

from __future__ import annotations

import sqlite3
from enum import Enum


class LedgerError(Exception):
    """Base of this room; its text is one sentence that can be shown to the operator."""


class LedgerRefused(LedgerError):
    """The file belongs to something else, to a newer version, or is in use."""


class LedgerDamaged(LedgerError):
    """The file cannot be read as a database."""


class QueryTimeout(LedgerError):
    """A read was stopped because it took longer than it may."""


class Trouble(Enum):
    """Why a write failed, which decides what the recorder does next."""

    BUSY = "ledger_busy"
    """Another writer: wait, then the same again."""
    FULL = "disk_full"
    """No space: bodies go first, rows are tried again."""
    BROKEN = "ledger_error"
    """I/O error, read-only or missing file: open it again, then the same again."""
    DAMAGED = "ledger_damaged"
    """What is in the file is no ledger any more: store what it still takes, and tell."""
    POISON = "poison"
    """One record cannot be stored: find it and store the others."""


_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_BROKEN = {
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_NOLFS,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_SCHEMA,
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_INTERRUPT,
}


def trouble(error: Exception) -> Trouble:
    """Classify what a write raised; everything that is not the file's fault is the record's."""
    if isinstance(error, OSError | LedgerError):
        return Trouble.BROKEN
    primary = getattr(error, "sqlite_errorcode", 0) & 0xFF
    # The sqlite3 module cannot decode an error text that quotes damaged bytes.
    if primary in _DAMAGED or isinstance(error, UnicodeDecodeError):
        return Trouble.DAMAGED
    if primary in _BUSY:
        return Trouble.BUSY
    if primary == sqlite3.SQLITE_FULL:
        return Trouble.FULL
    return Trouble.BROKEN if primary in _BROKEN else Trouble.POISON
