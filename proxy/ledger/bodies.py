"""How bodies are kept: compressed, addressed by their content, once.

The one interface of body storage: callers never see in how many pieces or how compressed a body lies.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

import zstandard

from proxy.exchange import Hop
from proxy.ledger.changes import Body

LEVEL = 3
_PIECE = 128 * 1024


@dataclass(slots=True)
class Packed:
    """A body made ready outside the transaction: hashing and compressing need no lock."""

    body: Body
    digest: bytes
    size: int
    codec: str
    data: bytes
    """Compressed by `codec`; as it came while that is empty."""

    @property
    def kept(self) -> bool:
        """Whether there is anything to store besides what is known of it."""
        return self.size > 0

    def compress(self, compressor: zstandard.ZstdCompressor) -> None:
        """Compress, once."""
        if not self.codec:
            data = compressor.compress(self.data)
            self.codec = "zstd" if len(data) < self.size else "raw"
            self.data = data if self.codec == "zstd" else self.data


@dataclass(frozen=True, slots=True)
class StoredBody:
    """A body as the ledger has it."""

    size: int
    """Bytes of the whole, as on the wire."""
    sha256: str | None
    """Hex digest of the whole, as on the wire."""
    capture: str | None
    """Why it is not, or not wholly, here; None = whole."""
    redacted: bool
    """A secret was masked in it."""
    stored_size: int
    """Bytes that are here."""
    codec: str
    data: bytes
    """As stored, compressed by `codec`."""

    def pieces(self) -> Iterator[bytes]:
        """The stored bytes in order, decompressed as they are asked for."""
        return unpack(self.codec, self.data)

    def read(self) -> bytes:
        """All stored bytes at once."""
        return b"".join(self.pieces())


def compressor() -> zstandard.ZstdCompressor:
    """What bodies are compressed by. Making one costs more than compressing a small body: keep it, per thread."""
    return zstandard.ZstdCompressor(level=LEVEL)


def pack(body: Body) -> Packed:
    """Hash `body`; it is compressed when it proves to be new."""
    whole = b"".join(body.chunks)
    return Packed(body, hashlib.sha256(whole).digest(), len(whole), "", whole)


def compress_new(conn: sqlite3.Connection, packed: Packed, compressor: zstandard.ZstdCompressor) -> None:
    """Compress ahead of the transaction, unless the same content is stored already."""
    if packed.kept and _reference(conn, packed.digest) is None:
        packed.compress(compressor)


def put(conn: sqlite3.Connection, request_id: str, hop: Hop, body: Body | Packed) -> None:
    """Store the body of one hop; the caller owns the transaction.

    What is already stored for that hop is replaced, but never by a body that was not captured.
    """
    packed = pack(body) if isinstance(body, Body) else body
    before = conn.execute(
        "SELECT body FROM exchange_bodies WHERE request_id = ? AND hop = ?", (request_id, hop.value)
    ).fetchone()
    if before is not None and before[0] is not None and not packed.kept:
        return
    known = packed.body
    reference = _content(conn, packed) if packed.kept else None
    conn.execute(
        "INSERT OR REPLACE INTO exchange_bodies (request_id, hop, body, size, sha256, capture, redacted)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (request_id, hop.value, reference, known.size, known.sha256, known.capture, int(known.redacted)),
    )
    if before is not None and before[0] not in (None, reference):
        discard(conn, before[0])


def put_same(conn: sqlite3.Connection, request_id: str, hop: Hop, other: Hop) -> None:
    """Say that the body of `hop` is that of `other`, unless it is stored itself; the caller owns the transaction."""
    conn.execute(
        "INSERT INTO exchange_bodies (request_id, hop, same_as, size, redacted) VALUES (?, ?, ?, 0, 0)"
        " ON CONFLICT DO UPDATE SET same_as = excluded.same_as, size = 0, sha256 = NULL, capture = NULL"
        " WHERE body IS NULL",
        (request_id, hop.value, other.value),
    )


def known(conn: sqlite3.Connection, request_id: str, hop: Hop) -> bool:
    """Whether anything is said of the body of one hop."""
    sought = "SELECT 1 FROM exchange_bodies WHERE request_id = ? AND hop = ?"
    return conn.execute(sought, (request_id, hop.value)).fetchone() is not None


def get(conn: sqlite3.Connection, request_id: str, hop: Hop) -> StoredBody | None:
    """The body of one hop; None when nothing is known of it. A body that is gone has no bytes and says why."""
    sought = hop.value
    for _ in Hop:
        row = conn.execute(
            "SELECT same_as, e.size, e.sha256, capture, redacted, b.size, codec, data"
            " FROM exchange_bodies AS e LEFT JOIN bodies AS b ON b.id = e.body WHERE request_id = ? AND hop = ?",
            (request_id, sought),
        ).fetchone()
        if row is None:
            return None
        if row[0] is None:
            size, sha256, capture, redacted, stored, codec, data = row[1:]
            return StoredBody(size, sha256, capture, bool(redacted), stored or 0, codec or "raw", data or b"")
        sought = row[0]
    return None


def discard(conn: sqlite3.Connection, reference: int) -> bool:
    """Remove one content unless an exchange still has it; the caller owns the transaction."""
    done = conn.execute(
        "DELETE FROM bodies WHERE id = ? AND NOT EXISTS (SELECT 1 FROM exchange_bodies WHERE body = ?)",
        (reference, reference),
    )
    return done.rowcount > 0


def unpack(codec: str, data: bytes) -> Iterator[bytes]:
    """Decompress piece by piece; raises zstandard.ZstdError when damaged."""
    if codec == "zstd":
        yield from zstandard.ZstdDecompressor().read_to_iter(data, write_size=_PIECE)
    elif data:
        yield data


def _content(conn: sqlite3.Connection, packed: Packed) -> int:
    reference = _reference(conn, packed.digest)
    if reference is not None:
        return reference
    if not packed.codec:
        packed.compress(compressor())
    done = conn.execute(
        "INSERT INTO bodies (sha256, size, codec, data) VALUES (?, ?, ?, ?)",
        (packed.digest, packed.size, packed.codec, packed.data),
    )
    return int(done.lastrowid or 0)


def _reference(conn: sqlite3.Connection, digest: bytes) -> int | None:
    row = conn.execute("SELECT id FROM bodies WHERE sha256 = ?", (digest,)).fetchone()
    return None if row is None else int(row[0])
