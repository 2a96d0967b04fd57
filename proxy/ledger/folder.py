"""The data folder: what its files are called, and making it ready before anybody opens the ledger.

Everything in it is readable by its owner only, whatever the umask.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import secrets
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from proxy.ledger import damage, schema, space
from proxy.ledger.errors import LedgerDamaged, LedgerRefused, Trouble, trouble
from proxy.ledger.locks import taken

_MAGIC = b"SQLite format 3\x00"
_SALT = re.compile("[0-9a-f]{64}")
_log = logging.getLogger(__name__)


class Folder:
    """Where everything lies. Making one touches nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ledger = path / "ledger.sqlite3"
        self.locks = path / "locks"
        self.counters = path / "counters"
        self.run = path / "run.json"
        self.token = path / "token"
        self.salt = path / "salt"
        self.guard = path / "prepare.lock"
        self.damaged = path / "damaged"
        self.reserve = path / "reserve"

    def lock(self, process: str) -> Path:
        """The lock file of one process."""
        return self.locks / f"{process}.lock"

    def counter(self, process: str) -> Path:
        """The counter file of one process."""
        return self.counters / f"{process}.counters"

    def set_aside(self) -> list[Path]:
        """Damaged ledgers that were moved aside, with their logs."""
        return sorted(self.path.glob(f"{self.ledger.name}.corrupt-*"))


def prepare(folder: Folder) -> Path | None:
    """Make the folder and an up-to-date ledger in it, before any process opens it.

    A damaged file is moved aside as `.corrupt-<time>` and its new path returned, else None.
    Raises LedgerRefused for a foreign or newer file and for a folder that cannot be used.
    """
    with usable(folder):
        for path in (folder.path, folder.locks, folder.counters):
            _make_private(path, ours=folder.ledger.exists())
        if space.full(folder):
            space.release(folder)
        if (kind := space.network_of(folder)) is not None:
            _log.warning("%s is on %s, where a ledger can be damaged: choose a local disk", folder.path, kind)
        with guarded(folder):
            _prepare_salt(folder)
            return _prepare_ledger(folder)


@contextmanager
def usable(folder: Folder) -> Iterator[None]:
    """What the disk refuses while the block runs is raised as LedgerRefused, a sentence."""
    try:
        yield
    except OSError as error:
        raise LedgerRefused(
            f"the data folder {folder.path} cannot be used ({error.strerror}): make it writable or choose another"
        ) from error


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only its owner can read, replacing it in one step."""
    draft = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o600)
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


@contextmanager
def guarded(folder: Folder) -> Iterator[None]:
    """One process at a time: `relay` and `observe` may start together in their own containers."""
    descriptor = os.open(folder.guard, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _prepare_ledger(folder: Folder) -> Path | None:
    try:
        _open_or_create(folder)
    except LedgerDamaged as error:
        if any(taken(lock) for lock in folder.locks.glob("*.lock")):
            raise LedgerRefused(f"{error} and in use: stop what still runs on it, then start again") from error
        aside = _set_aside(folder)
        _log.error("%s: it was moved to %s and a new one begun", error, aside)
        folder.damaged.unlink(missing_ok=True)
        _open_or_create(folder)
        return aside
    folder.damaged.unlink(missing_ok=True)
    return None


def _make_private(path: Path, *, ours: bool) -> None:
    made = not path.exists()
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if made or ours or not any(path.iterdir()):
        path.chmod(0o700)


def _prepare_salt(folder: Folder) -> None:
    if not folder.salt.exists():
        write_private(folder.salt, secrets.token_hex(32).encode())
    salt = folder.salt.read_text(encoding="ascii", errors="replace").strip()
    if not _SALT.fullmatch(salt):
        raise LedgerRefused(
            f"the salt {folder.salt} is damaged: restore it, or delete it to have new fingerprints made"
        )


def _open_or_create(folder: Folder) -> None:
    path = folder.ledger
    if not path.exists():
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    if not path.is_file():
        raise LedgerRefused(f"{path} is no ordinary file: move it or choose another data folder")
    _judge_header(folder)
    try:
        with closing(sqlite3.connect(path, isolation_level=None, timeout=30)) as conn:
            _judge_contents(conn, folder)
            # SQLite gives -wal and -shm the mode of the file itself.
            for file in (path, *_companions(path)):
                if file.exists():
                    file.chmod(0o600)
            if schema.version(conn) == 0:
                # Both must precede the first table, and auto_vacuum the first page.
                conn.execute("PRAGMA auto_vacuum=INCREMENTAL")
                conn.execute("PRAGMA journal_mode=WAL")
            schema.migrate(conn, schema.scripts())
            conn.execute(
                "INSERT OR IGNORE INTO ledger_meta (name, value) VALUES ('instance_id', ?)", (secrets.token_hex(8),)
            )
            if (found := damage.attempt(conn)) is not None:
                raise LedgerDamaged(f"the ledger {path} is damaged ({found})")
    except (UnicodeDecodeError, sqlite3.DatabaseError) as error:
        if trouble(error) is Trouble.DAMAGED:
            raise LedgerDamaged(f"the ledger {path} is damaged ({error})") from error
        raise LedgerRefused(f"the ledger {path} cannot be opened ({error}): check its disk and permissions") from error


def _judge_header(folder: Folder) -> None:
    """Tell a file that is no database: ours and damaged, or somebody else's."""
    with folder.ledger.open("rb") as file:
        start = file.read(100)
    if not start or start.startswith(_MAGIC):
        return
    ours = start[68:72] == schema.APPLICATION_ID.to_bytes(4, "big") or not start.strip(b"\0")
    if ours or any(folder.counters.iterdir()) or any(folder.locks.iterdir()):
        raise LedgerDamaged(f"the ledger {folder.ledger} is damaged (its header is not that of a database)")
    raise LedgerRefused(f"{folder.ledger} is not a ledger of anthropic-proxy: move it or choose another data folder")


def _judge_contents(conn: sqlite3.Connection, folder: Folder) -> None:
    path = folder.ledger
    tables = conn.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    owner = conn.execute("PRAGMA application_id").fetchone()[0]
    if (tables and owner != schema.APPLICATION_ID) or schema.version(conn) < 0:
        raise LedgerRefused(f"{path} is not a ledger of anthropic-proxy: move it or choose another data folder")
    version, newest = schema.version(conn), len(schema.scripts())
    if version > newest:
        raise LedgerRefused(
            f"the ledger {path} was written by a newer anthropic-proxy (version {version}, this one knows {newest}): "
            "update, or choose another data folder"
        )
    if path.stat().st_size and conn.execute("PRAGMA page_count").fetchone()[0] == 0:
        raise LedgerDamaged(f"the ledger {path} is damaged (it has no pages)")
    if (found := damage.find(conn, folder)) is not None:
        raise LedgerDamaged(f"the ledger {path} is damaged ({found})")


def _set_aside(folder: Folder) -> Path:
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    aside = folder.ledger.with_name(f"{folder.ledger.name}.corrupt-{stamp}")
    while aside.exists():
        aside = aside.with_name(f"{aside.name}-{secrets.token_hex(2)}")
    for file in _companions(folder.ledger):
        if file.exists():
            file.rename(aside.with_name(aside.name + file.name.removeprefix(folder.ledger.name)))
    folder.ledger.rename(aside)
    return aside


def _companions(path: Path) -> tuple[Path, Path]:
    return path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")
