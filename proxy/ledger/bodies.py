"""How bodies are kept: compressed, addressed by their content, once.

The one interface of body storage: callers never see in how many pieces or how compressed a body lies.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import zstandard

from proxy.exchange import Hop
from proxy.ledger.changes import Body
from proxy.ledger.connect import insert
from proxy.ledger.rows import Value

LEVEL = 3
_PIECE = 128 * 1024
_PUT = "INSERT OR REPLACE INTO exchange_bodies (request_id, hop, body, same_as, size, sha256, capture, redacted)"


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
    as_sent = body.sha256 is not None and body.capture is None and not body.redacted and len(whole) == body.size
    digest = bytes.fromhex(body.sha256) if as_sent and body.sha256 else hashlib.sha256(whole).digest()
    return Packed(body, digest, len(whole), "", whole)


def compress_new(conn: sqlite3.Connection, packed: Packed, compressor: zstandard.ZstdCompressor) -> None:
    """Compress ahead of the transaction, unless the same content is stored already."""
    if packed.kept and _reference(conn, packed.digest) is None:
        packed.compress(compressor)


def put(
    conn: sqlite3.Connection, given: Mapping[str, Mapping[Hop, Body | Packed | Hop]], *, keep: bool = False
) -> None:
    """Store bodies by request id and hop; a hop as value: the same bytes as there. The caller owns the transaction.

    What is already stored is replaced, but never by a body that was not captured or is said to be another's; with
    `keep`, whatever is known of a hop stays.
    """
    before = _before(conn, list(given))
    rows: list[tuple[Value, ...]] = []
    replaced: list[int] = []
    for request_id, by_hop in given.items():
        for hop, body in by_hop.items():
            packed = pack(body) if isinstance(body, Body) else body
            place = (request_id, hop.value)
            old = before.get(place)
            if place in before and (keep or (old is not None and not (isinstance(packed, Packed) and packed.kept))):
                continue
            row = _row(conn, packed)
            rows.append((*place, *row))
            if old is not None and old != row[0]:
                replaced.append(old)
    insert(conn, _PUT, rows)
    for reference in replaced:
        discard(conn, reference)


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


def _before(conn: sqlite3.Connection, request_ids: list[str]) -> dict[tuple[str, str], int | None]:
    """The content that is stored for each hop of which something is known."""
    sought = "SELECT request_id, hop, body FROM exchange_bodies WHERE request_id IN (SELECT value FROM json_each(?))"
    return {(row[0], row[1]): row[2] for row in conn.execute(sought, (json.dumps(request_ids),)).fetchall()}


def _row(conn: sqlite3.Connection, packed: Packed | Hop) -> tuple[Value, ...]:
    """What a row of `exchange_bodies` says of a body, its content stored: the columns behind request id and hop."""
    if isinstance(packed, Hop):
        return (None, packed.value, 0, None, None, 0)
    known = packed.body
    reference = _content(conn, packed) if packed.kept else None
    return (reference, None, known.size, known.sha256, known.capture, int(known.redacted))


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
