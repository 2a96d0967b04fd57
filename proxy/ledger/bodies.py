"""How bodies are kept: addressed by their content, compressed, what repeats in pieces; each once.

The one interface of body storage: callers never see in how many pieces or how compressed a body lies.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from proxy.exchange import Hop
from proxy.ledger import headers
from proxy.ledger.changes import Body
from proxy.ledger.connect import chosen, insert
from proxy.ledger.pieces import chains
from proxy.ledger.pieces.chains import unpacked as unpacked
from proxy.ledger.pieces.recipe import Part as Part
from proxy.ledger.pieces.recipe import Recent, Recipe
from proxy.ledger.rows import Value

IN_PIECES = "pieces"
"""Codec of a body whose bytes are not in its row."""
_NAMES = {hop: hop.value for hop in Hop}
_PUT = "INSERT OR REPLACE INTO exchange_bodies (request_id, hop, also, body, same_as, size, sha256, capture, redacted)"


class Packer:
    """Compresses, and remembers what it stored; one per writing thread."""

    def __init__(self) -> None:
        self.zstd = chains.compressor()
        self.headers = headers.compressor()
        self.recent = Recent()

    def forget(self) -> None:
        """Another file was opened: the places of what was stored are places of the one before."""
        self.recent = Recent()

    def remember(self, packed: Iterable[Packed]) -> None:
        """These bodies are stored and their transaction is committed."""
        for each in packed:
            if each.recipe is not None and each.recipe.placed:
                self.recent.remember(each.recipe)


@dataclass(slots=True)
class Packed:
    """A body made ready outside the transaction: hashing and compressing need no lock."""

    body: Body
    digest: bytes
    whole: bytes
    """What is to be stored; empty when nothing is, besides what is known of it."""
    part: Part | None = None
    """The whole, compressed; None until it is, and of a body in pieces."""
    recipe: Recipe | None = None
    """What it consists of; None of one that is stored whole."""
    known: Recent | None = None
    """What was known of the file that the recipe is for."""

    def make(self, packer: Packer) -> None:
        """Compress or cut: once, or again for another file."""
        if self.part is None and self.known is not packer.recent:
            self.known, self.recipe = packer.recent, packer.recent.recipe(self.whole)
            if self.recipe is None:
                self.part = chains.compressed(self.whole, packer.zstd)


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
    parts: Sequence[Part]
    """As stored, in order."""

    def pieces(self) -> Iterator[bytes]:
        """The stored bytes in order, decompressed as they are asked for; raises zstandard.ZstdError when damaged."""
        for part in self.parts:
            yield from unpacked(part)

    def read(self) -> bytes:
        """All stored bytes at once."""
        return b"".join(self.pieces())


_Placed = tuple[str, str, str | None, Packed | Hop]
"""Request id, hop, the hop that has the same bytes, and these."""
_Before = dict[tuple[str, str], int | None]
"""The content that is stored, by request id and hop."""


def pack(body: Body) -> Packed:
    """Hash `body`; it is compressed when it proves to be new."""
    whole = b"".join(body.chunks)
    if not whole:
        return Packed(body, b"", whole)
    as_sent = body.sha256 is not None and body.capture is None and not body.redacted and len(whole) == body.size
    digest = bytes.fromhex(body.sha256) if as_sent and body.sha256 else hashlib.sha256(whole).digest()
    return Packed(body, digest, whole)


def make_new(conn: sqlite3.Connection, packed: Sequence[Packed], packer: Packer) -> None:
    """Compress or cut, ahead of the transaction, what is not stored already."""
    kept = {each.digest: each for each in packed if each.whole}
    for each in packed:
        if each.recipe is not None:
            each.recipe.placed = []  # those of a commit that failed may be somebody else's by now
    for digest in _stored(conn, list(kept)):
        del kept[digest]
    for each in kept.values():
        each.make(packer)
    recipes = [each.recipe for each in kept.values() if each.recipe is not None]
    if recipes:
        chains.prepare(conn, recipes, packer.zstd)


def put(
    conn: sqlite3.Connection,
    given: Mapping[str, Mapping[Hop, Packed | Hop]],
    *,
    keep: bool = False,
    known: Container[str] | None = None,
) -> None:
    """Store bodies by request id and hop; a hop as value: the same bytes as there. The caller owns the transaction.

    What is already stored is replaced, but never by a body that was not captured or is said to be another's; with
    `keep`, whatever is known of a hop stays. `known`: the exchanges of which something may be stored; None: all.
    """
    before = _before(conn, [request_id for request_id in given if known is None or request_id in known])
    stored: list[_Placed] = []
    for request_id, by_hop in given.items():
        new: dict[Hop, Packed | Hop] = {}
        for hop, each in by_hop.items():
            if not before or _replaces(before, (request_id, _NAMES[hop]), each, keep=keep):
                new[hop] = each
        stored += _placed(request_id, new)
    ids = _put_contents(conn, [each for *_, each in stored if isinstance(each, Packed) and each.whole])
    insert(conn, _PUT, [(request_id, hop, also, *_row(each, ids)) for request_id, hop, also, each in stored])
    if before:
        _discard_replaced(conn, before, stored, ids)


def get(conn: sqlite3.Connection, request_id: str, hop: Hop) -> StoredBody | None:
    """The body of one hop; None when nothing is known of it. A body that is gone has no bytes and says why.

    Raises ValueError when its pieces cannot be put together, which only a damaged file can cause.
    """
    rows = conn.execute(
        "SELECT hop, also, same_as, size, sha256, capture, redacted, body FROM exchange_bodies WHERE request_id = ?",
        (request_id,),
    ).fetchall()
    by_hop = {row[1]: row[2:] for row in rows} | {row[0]: row[2:] for row in rows}
    sought: str | None = hop.value
    for _ in Hop:
        same_as, size, sha256, capture, redacted, content = by_hop.get(sought, (None,) * 6)
        if size is None:
            return None
        if same_as is None:
            length, parts = _content(conn, content)
            return StoredBody(size, sha256, capture, bool(redacted), length, parts)
        sought = same_as
    return None


def contents(conn: sqlite3.Connection) -> Iterator[tuple[int, bytes, int, Callable[[], Sequence[Part]]]]:
    """Every content there is: its id, hash and size, and how to get its parts (raises ValueError as `get` does)."""
    rows = conn.execute("SELECT id, sha256, size, codec, CAST(data AS BLOB) FROM bodies")
    for number, digest, size, codec, data in rows:
        yield number, digest, size, partial(_parts, conn, number, codec, data)


def discard(conn: sqlite3.Connection, reference: int) -> bool:
    """Remove one content unless an exchange still has it; the caller owns the transaction.

    Its pieces are removed by `chains.sweep`, as far as nothing else needs them.
    """
    done = conn.execute(
        "DELETE FROM bodies WHERE id = ? AND NOT EXISTS (SELECT 1 FROM exchange_bodies WHERE body = ?)",
        (reference, reference),
    )
    return done.rowcount > 0


def _content(conn: sqlite3.Connection, content: int | None) -> tuple[int, Sequence[Part]]:
    row = conn.execute("SELECT size, codec, data FROM bodies WHERE id = ?", (content,)).fetchone()
    return (0, ()) if content is None or row is None else (row[0], _parts(conn, content, row[1], row[2]))


def _parts(conn: sqlite3.Connection, content: int, codec: str, data: bytes) -> Sequence[Part]:
    return chains.parts(conn, content) if codec == IN_PIECES else (Part(codec, data),)


def _before(conn: sqlite3.Connection, request_ids: list[str]) -> _Before:
    """The content that is stored for each hop of which something is known."""
    rows = chosen(conn, "SELECT request_id, hop, also, body FROM exchange_bodies WHERE request_id", request_ids)
    known: _Before = {}
    for request_id, hop, also, body in rows:
        known.setdefault((request_id, also), None)  # type: ignore[arg-type]
        known[request_id, hop] = body  # type: ignore[index, assignment]
    return known


def _placed(request_id: str, bodies: Mapping[Hop, Packed | Hop]) -> list[_Placed]:
    """The rows of one exchange: a hop that has the same bytes as another is named in the row of that one."""
    also = {same: hop for hop, same in bodies.items() if isinstance(same, Hop) and isinstance(bodies.get(same), Packed)}
    return [
        (request_id, _NAMES[hop], _NAMES[also[hop]] if hop in also else None, each)
        for hop, each in bodies.items()
        if isinstance(each, Packed) or also.get(each) is not hop
    ]


def _discard_replaced(
    conn: sqlite3.Connection, before: _Before, stored: Sequence[_Placed], ids: Mapping[bytes, int]
) -> None:
    for request_id, place, _, made in stored:
        old = before.get((request_id, place))
        if old is not None and not (isinstance(made, Packed) and ids.get(made.digest) == old):
            discard(conn, old)


def _replaces(before: _Before, place: tuple[str, str], new: Packed | Hop, *, keep: bool) -> bool:
    """Whether a body takes its place, where something may be known of it."""
    stored = before.get(place) is not None
    return place not in before or not (keep or (stored and not (isinstance(new, Packed) and new.whole)))


def _row(packed: Packed | Hop, ids: Mapping[bytes, int]) -> tuple[Value, ...]:
    """What a row of `exchange_bodies` says of a body: the columns behind request id and hop."""
    if isinstance(packed, Hop):
        return (None, _NAMES[packed], 0, None, None, 0)
    known = packed.body
    reference = ids[packed.digest] if packed.whole else None
    return (reference, None, known.size, known.sha256, known.capture, int(known.redacted))


def _put_contents(conn: sqlite3.Connection, packed: Sequence[Packed]) -> dict[bytes, int]:
    """Store what is not stored yet; the ids of all by digest."""
    if not packed:
        return {}
    ids = _stored(conn, [each.digest for each in packed])
    new = list({each.digest: each for each in packed if each.digest not in ids}.values())
    if not new:
        return ids
    last = conn.execute("SELECT max(id) FROM bodies").fetchone()[0] or 0
    ids.update((each.digest, number) for number, each in enumerate(new, last + 1))
    for each in new:
        if each.part is None and each.recipe is None:
            each.make(Packer())
    rows: list[tuple[Value, ...]] = []
    recipes: dict[int, Recipe] = {}
    for each in new:
        number, part = ids[each.digest], each.part or Part(IN_PIECES, b"")
        rows.append((number, each.digest, len(each.whole), part.codec, part.data))
        if each.recipe is not None:
            recipes[number] = each.recipe
    insert(conn, "INSERT INTO bodies (id, sha256, size, codec, data)", rows)
    if recipes:
        chains.place(conn, recipes)
    return ids


def _stored(conn: sqlite3.Connection, digests: Sequence[bytes]) -> dict[bytes, int]:
    """The ids of the contents that are stored, of these."""
    return dict(chosen(conn, "SELECT sha256, id FROM bodies WHERE sha256", digests))  # type: ignore[arg-type]
