"""The laws that must hold of a ledger, checked against what is in it. Reads only; may run beside living processes.

L1: every exchange is closed or owned by a living process. L2: every finished exchange has exactly one row and one
place in the journal. L3: everything in the journal is exported, still ahead of a cursor, or a dead letter.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import islice

import zstandard

from proxy.ledger import bodies, cursors, journal, meta, processes
from proxy.ledger.connect import reader
from proxy.ledger.folder import Folder
from proxy.ledger.retention import REMOVED_NS, REMOVED_SEQ

_SHOWN = 100
"""More findings of one check say nothing new."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it must be."""

    law: str
    """`integrity`, `L1`, `L2`, `L3`, `body` or `facets`."""
    subject: str
    """The request id, journal number or name it is about."""
    text: str


def verify(folder: Folder) -> list[Finding]:
    """Everything that is wrong with the ledger; empty when all laws hold. Raises sqlite3.Error when it is locked."""
    try:
        conn = reader(folder.ledger)
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        return [Finding("integrity", "ledger", f"cannot be opened ({error})")]
    found: list[tuple[str, object, str]] = []
    with closing(conn):
        conn.execute("BEGIN")
        for check in (_integrity, _recorded_once, _journal, _cursors, _contents, _pieces, _references, _facets):
            found += _readable(check(conn))
        with suppress(sqlite3.DatabaseError):
            conn.execute("ROLLBACK")
        found += _readable(_owned(conn, folder))
    return [Finding(law, str(subject), text) for law, subject, text in found]


_Found = Iterator[tuple[str, object, str]]


def _readable(found: _Found) -> _Found:
    """What a check finds, as far as the file can be read."""
    try:
        yield from islice(found, _SHOWN)
    # Damaged bytes may be read as a value of any type.
    except (sqlite3.DatabaseError, TypeError, ValueError) as error:
        yield "integrity", "ledger", f"cannot be read ({error})"


def _integrity(conn: sqlite3.Connection) -> _Found:
    for (verdict,) in conn.execute("PRAGMA integrity_check").fetchall():
        if verdict != "ok":
            yield "integrity", "ledger", str(verdict)
    for table, row, parent, _ in conn.execute("PRAGMA foreign_key_check").fetchall():
        yield "integrity", table, f"row {row} belongs to nothing in {parent}"


def _owned(conn: sqlite3.Connection, folder: Folder) -> _Found:
    # Looked at again after the lock was tested: a process may have closed its rows and ended in between.
    for (process,) in conn.execute("SELECT DISTINCT process FROM exchanges WHERE outcome IS NULL").fetchall():
        if not processes.alive(folder, process):
            left = "SELECT request_id FROM exchanges WHERE outcome IS NULL AND process = ?"
            for (request_id,) in conn.execute(left, (process,)).fetchall():
                yield "L1", request_id, f"still open, but its process {process} no longer lives"


def _recorded_once(conn: sqlite3.Connection) -> _Found:
    unlisted = (
        "SELECT request_id FROM exchanges AS e WHERE outcome IS NOT NULL AND started_ns > ? AND NOT EXISTS"  # noqa: S608
        f" (SELECT 1 FROM journal AS j WHERE j.{journal.IS_FINISHED} AND j.request_id = e.request_id)"
    )
    for (request_id,) in conn.execute(unlisted, (_note(conn, REMOVED_NS),)):
        yield "L2", request_id, "finished, but not in the journal"
    repeated = (
        f"SELECT request_id, count(*) FROM journal WHERE {journal.IS_FINISHED} GROUP BY request_id HAVING count(*) > 1"  # noqa: S608
    )
    for request_id, number in conn.execute(repeated):
        yield "L2", request_id, f"finished {number} times in the journal"
    unfounded = (
        "SELECT j.request_id, e.request_id IS NULL FROM journal AS j LEFT JOIN exchanges AS e"  # noqa: S608
        f" ON e.request_id = j.request_id WHERE j.{journal.IS_FINISHED} AND e.outcome IS NULL"
    )
    for request_id, missing in conn.execute(unfounded):
        yield "L2", request_id, "in the journal, but " + ("there is no such exchange" if missing else "still open")


def _journal(conn: sqlite3.Connection) -> _Found:
    removed = _note(conn, REMOVED_SEQ)
    seq_before, ns_before = 0, 0
    for seq, commit_ns in conn.execute("SELECT seq, commit_ns FROM journal ORDER BY seq"):
        if seq > max(seq_before, removed) + 1:
            yield "L3", seq, f"the journal lacks what came before, down to {max(seq_before, removed) + 1}"
        if commit_ns <= ns_before:
            yield "L3", seq, "its commit time is not later than that of the row before"
        seq_before, ns_before = seq, commit_ns
    if max(seq_before, removed) < journal.head(conn):
        yield "L3", journal.head(conn), f"the journal ends at {seq_before} already"


def _cursors(conn: sqlite3.Connection) -> _Found:
    head, places = journal.head(conn), cursors.all_of(conn)
    for name, seq in places.items():
        if not 0 <= seq <= head:
            yield "L3", name, f"its cursor stands at {seq}, the journal ends at {head}"
    letters = (
        "SELECT d.signal, d.seq, d.request_id, j.request_id FROM dead_letters AS d LEFT JOIN journal AS j USING (seq)"
    )
    for signal, seq, request_id, listed in conn.execute(letters):
        if seq > places.get(signal, head):
            yield "L3", request_id, f"dead letter of {signal} at {seq}, which is still ahead of its cursor"
        elif listed not in (None, request_id):
            yield "L3", request_id, f"dead letter of {signal} at {seq}, where the journal has {listed}"


def _contents(conn: sqlite3.Connection) -> _Found:
    for number, digest, size, parts in bodies.contents(conn):
        sha, length = hashlib.sha256(), 0
        try:
            for part in parts():
                for piece in bodies.unpacked(part):
                    sha.update(piece)
                    length += len(piece)
        except (zstandard.ZstdError, ValueError, TypeError) as error:
            yield "body", f"bodies {number}", f"cannot be put together ({error})"
            continue
        if sha.digest() != digest or length != size:
            yield "body", f"bodies {number}", f"its {length} bytes are not those it was stored by ({size})"
    lost = "SELECT id FROM bodies AS b WHERE NOT EXISTS (SELECT 1 FROM exchange_bodies WHERE body = b.id)"
    for (number,) in conn.execute(lost):
        yield "body", f"bodies {number}", "belongs to no exchange"


def _pieces(conn: sqlite3.Connection) -> _Found:
    unused = "SELECT id FROM pieces AS p WHERE NOT EXISTS (SELECT 1 FROM nodes WHERE piece = p.id)"
    for (number,) in conn.execute(unused):
        yield "body", f"pieces {number}", "stands in no body"
    dangling = (
        "SELECT id FROM nodes AS n WHERE NOT EXISTS (SELECT 1 FROM nodes WHERE parent = n.id)"
        " AND NOT EXISTS (SELECT 1 FROM body_nodes WHERE node = n.id)"
        " AND NOT EXISTS (SELECT 1 FROM loose WHERE node = n.id)"
    )
    for (number,) in conn.execute(dangling):
        yield "body", f"nodes {number}", "leads to no body and is not due to be removed"


def _references(conn: sqlite3.Connection) -> _Found:
    """What is said of each body agrees with the wire, where it is whole and nothing was masked."""
    for request_id, hop, reason in conn.execute(
        "SELECT s.request_id, s.hop, CASE"
        " WHEN s.same_as IS NOT NULL THEN 'is said to be that of ' || s.same_as || ', of which nothing is known'"
        " WHEN s.body IS NULL THEN 'is neither stored nor said to be missing'"
        " WHEN b.size <> s.size THEN 'has another length than on the wire'"
        " ELSE 'has another hash than on the wire' END"
        " FROM exchange_bodies AS s JOIN exchanges AS e ON e.request_id = s.request_id"
        " LEFT JOIN bodies AS b ON b.id = s.body"
        " LEFT JOIN exchange_bodies AS o ON o.request_id = s.request_id AND o.hop = s.same_as"
        " WHERE CASE WHEN s.same_as IS NOT NULL THEN o.hop IS NULL"
        " WHEN s.capture IS NOT NULL THEN 0"
        " WHEN s.body IS NULL THEN s.size > 0"
        " WHEN s.redacted OR e.redacted THEN 0"
        " ELSE b.size <> s.size OR (s.sha256 IS NOT NULL AND lower(hex(b.sha256)) <> lower(s.sha256)) END"
    ):
        yield "body", request_id, f"the body of {hop} {reason}"


def _facets(conn: sqlite3.Connection) -> _Found:
    finished = conn.execute("SELECT count(*) FROM exchanges WHERE outcome IS NOT NULL").fetchone()[0]
    counted = conn.execute("SELECT coalesce(sum(requests), 0) FROM facets WHERE facet = 'outcome'").fetchone()[0]
    if finished != counted:
        yield "facets", "outcome", f"{counted} exchanges counted, {finished} there"


def _note(conn: sqlite3.Connection, name: str) -> int:
    return int(meta.get(conn, name) or 0)
