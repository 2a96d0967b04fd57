"""Pieces in the ledger: each once, and the chains of nodes that put them in order."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence

import zstandard

from proxy.ledger.connect import chosen, insert
from proxy.ledger.pieces.recipe import Link, Part, Recipe
from proxy.ledger.rows import Value

LEVEL = 3
NODES_PER_STEP = 500
BYTES_PER_STEP = 8 * 1024 * 1024
_AT_ONCE = 50
_UNPACKED = 128 * 1024

_Place = tuple[int | None, int, bytes]
"""Parent, piece and glue of a node."""
_PIECES = "INSERT INTO pieces (id, sha256, size, codec, data)"
_NODES = "INSERT INTO nodes (id, parent, piece, glue)"
_BODY_NODES = 'INSERT INTO body_nodes (body, "position", node)'
_INTO = (_PIECES, _NODES, _BODY_NODES)
_FIND = "SELECT id FROM nodes WHERE parent IS ? AND piece = ? AND glue = ?"
_DROP = "DELETE FROM pieces WHERE id = ? AND NOT EXISTS (SELECT 1 FROM nodes WHERE piece = pieces.id) RETURNING size"
_PATHS = (
    "WITH RECURSIVE path (place, depth, parent, piece, glue) AS ("
    ' SELECT b."position", 0, n.parent, n.piece, n.glue FROM body_nodes AS b JOIN nodes AS n ON n.id = b.node'
    " WHERE b.body = ?"
    " UNION ALL SELECT place, depth + 1, n.parent, n.piece, n.glue FROM path JOIN nodes AS n ON n.id = path.parent)"
    " SELECT place, glue, codec, data FROM path LEFT JOIN pieces AS p ON p.id = path.piece ORDER BY place, depth DESC"
)


def compressor() -> zstandard.ZstdCompressor:
    """What bodies are compressed by. Making one costs more than compressing a small body: keep it, per thread."""
    return zstandard.ZstdCompressor(level=LEVEL)


def compressed(data: bytes, compressor: zstandard.ZstdCompressor) -> Part:
    """Compress, where that makes it smaller."""
    packed = compressor.compress(data)
    return Part("zstd", packed) if len(packed) < len(data) else Part("raw", data)


def unpacked(part: Part) -> Iterator[bytes]:
    """Decompress bit by bit; raises zstandard.ZstdError when damaged."""
    if part.codec == "zstd":
        yield from zstandard.ZstdDecompressor().read_to_iter(part.data, write_size=_UNPACKED)
    elif part.data:
        yield part.data


def prepare(conn: sqlite3.Connection, recipes: Sequence[Recipe], compressor: zstandard.ZstdCompressor) -> None:
    """Compress the pieces that are not stored yet, before the transaction."""
    new = {link.digest: link.core for recipe in recipes for links in recipe.fresh for link in links}
    for digest in _stored(conn, list(new)):
        del new[digest]
    packed = {digest: compressed(core, compressor) for digest, core in new.items()}
    for recipe in recipes:
        recipe.packed = packed


def place(conn: sqlite3.Connection, recipes: Mapping[int, Recipe]) -> None:
    """Write what stored bodies consist of, by their numbers; each recipe then knows every place.

    The caller owns the transaction, in which nobody else can give numbers.
    """
    known = {node for recipe in recipes.values() for node in recipe.ends}
    # Who finds a node has its whole path.
    there = {node for (node,) in chosen(conn, "SELECT id FROM nodes WHERE id", list(known))}
    for recipe in recipes.values():
        if not there.issuperset(recipe.ends):
            recipe.forget()
    placing = _Placing(conn, list(recipes.values()))
    for body, recipe in recipes.items():
        placing.put(body, recipe)
    placing.write()


class _Placing:
    """Puts bodies together out of pieces, for one transaction: many rows per statement, numbers given beforehand."""

    def __init__(self, conn: sqlite3.Connection, recipes: Sequence[Recipe]) -> None:
        self._conn = conn
        digests = {link.digest for recipe in recipes for links in recipe.fresh for link in links}
        self._pieces = _stored(conn, list(digests))
        self._given: dict[str, int] = dict(
            conn.execute("SELECT name, seq FROM sqlite_sequence WHERE name IN ('pieces', 'nodes')")
        )
        self._stored = set(self._pieces)
        self._nodes: dict[_Place, int] = {}
        self._rows: dict[str, list[tuple[Value, ...]]] = {into: [] for into in _INTO}

    def put(self, body: int, recipe: Recipe) -> None:
        recipe.placed = [list(nodes) for nodes in recipe.nodes]
        for number, (nodes, links) in enumerate(zip(recipe.placed, recipe.fresh, strict=True)):
            for link in links:
                nodes.append(self._node((nodes[-1] if nodes else None, self._piece(link, recipe), link.glue), link))
            self._rows[_BODY_NODES].append((body, number, nodes[-1]))

    def write(self) -> None:
        for into, rows in self._rows.items():
            insert(self._conn, into, rows)

    def _piece(self, link: Link, recipe: Recipe) -> int:
        if link.digest not in self._pieces:
            part = recipe.packed.get(link.digest) or compressed(link.core, compressor())
            number = self._pieces[link.digest] = self._next("pieces")
            self._rows[_PIECES].append((number, link.digest, len(link.core), part.codec, part.data))
        return self._pieces[link.digest]

    def _node(self, place: _Place, link: Link) -> int:
        if place not in self._nodes:
            row = self._conn.execute(_FIND, place).fetchone() if link.digest in self._stored else None
            number = self._nodes[place] = int(row[0]) if row else self._next("nodes")
            if row is None:
                self._rows[_NODES].append((number, *place))
        return self._nodes[place]

    def _next(self, table: str) -> int:
        self._given[table] = self._given.get(table, 0) + 1
        return self._given[table]


def parts(conn: sqlite3.Connection, body: int) -> list[Part]:
    """The bytes of a body in order. Raises ValueError when they cannot be put together."""
    rows = conn.execute(_PATHS, (body,)).fetchall()
    if not rows or any(row[2] is None for row in rows):
        raise ValueError("pieces are missing")
    _, sizes, *frame = rows[0]
    around = _cut(b"".join(unpacked(Part(*frame))), [int(size) for size in sizes.split(b",")])
    found = [Part("raw", next(around))]
    place = 1
    for number, glue, codec, data in rows[1:]:
        if number != place:
            found.append(Part("raw", next(around)))
            place = number
        found += [Part("raw", glue), Part(codec, data)]
    return [*found, *(Part("raw", rest) for rest in around)]


def sweep(conn: sqlite3.Connection) -> int:
    """Remove some of the nodes that nothing needs, with their pieces; the caller owns the transaction.

    Returns how many were looked at: 0 when there is nothing left to do.
    """
    seen = freed = 0
    while seen < NODES_PER_STEP and freed < BYTES_PER_STEP:
        loose = [row[0] for row in conn.execute("SELECT node FROM loose LIMIT ?", (_AT_ONCE,)).fetchall()]
        if not loose:
            break
        marks = ", ".join("?" * len(loose))
        # First, because what is removed makes its parent loose.
        conn.execute(f"DELETE FROM loose WHERE node IN ({marks})", loose)  # noqa: S608
        pieces = conn.execute(
            f"DELETE FROM nodes WHERE id IN ({marks})"  # noqa: S608
            " AND NOT EXISTS (SELECT 1 FROM nodes AS child WHERE child.parent = nodes.id)"
            " AND NOT EXISTS (SELECT 1 FROM body_nodes WHERE node = nodes.id) RETURNING piece",
            loose,
        ).fetchall()
        for piece in pieces:
            row = conn.execute(_DROP, piece).fetchone()
            freed += row[0] if row else 0
        seen += len(loose)
    return seen


def _stored(conn: sqlite3.Connection, digests: Sequence[bytes]) -> dict[bytes, int]:
    """The numbers of the pieces that are stored, of these."""
    return dict(chosen(conn, "SELECT sha256, id FROM pieces WHERE sha256", digests))  # type: ignore[arg-type]


def _cut(data: bytes, sizes: list[int]) -> Iterator[bytes]:
    place = 0
    for size in sizes:
        yield data[place : place + size]
        place += size
