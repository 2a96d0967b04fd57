"""Headers per hop: one JSON object per exchange, pairs in their order; a hop equal to an earlier one only names it.

Compressed against the fields that nearly all messages have, without which so little text cannot be made smaller.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain

import msgspec
import zstandard

from proxy.exchange import Headers, Hop
from proxy.ledger.connect import insert
from proxy.ledger.header_fields import USUAL
from proxy.ledger.rows import Value, text

_LEVEL = 3
_NAMES = {hop: hop.value for hop in Hop}


def compressor() -> zstandard.ZstdCompressor:
    """What headers are compressed by; keep it, per thread."""
    usual = _usual()
    usual.precompute_compress(level=_LEVEL)
    return zstandard.ZstdCompressor(dict_data=usual, write_content_size=True, write_checksum=True)


def pack(headers: Mapping[Hop, Headers], compressor: zstandard.ZstdCompressor) -> tuple[bytes, bool]:
    """The headers of one exchange, and whether all pairs could be kept as they were."""
    hops: dict[str, Headers | str] = {}
    own: list[tuple[str, Headers]] = []
    for hop, pairs in headers.items():
        name = _NAMES[hop]
        for same, earlier in own:
            if earlier == pairs:
                hops[name] = same
                break
        else:
            hops[name] = pairs
            own.append((name, pairs))
    intact = _plain([pairs for _, pairs in own])
    if not intact:
        hops.update((name, _clean(pairs)) for name, pairs in own)
        intact = all(hops[name] == pairs for name, pairs in own)
    return compressor.compress(msgspec.json.encode(hops)), intact


def put(conn: sqlite3.Connection, packed: Mapping[str, bytes]) -> None:
    """Store what `pack` made, by request id; the caller owns the transaction."""
    insert(conn, "INSERT OR REPLACE INTO headers (request_id, hops)", list(packed.items()))


def get(conn: sqlite3.Connection, request_id: str) -> dict[Hop, Headers]:
    """The headers of every hop that is known. Raises zstandard.ZstdError when they are damaged."""
    row = conn.execute("SELECT hops FROM headers WHERE request_id = ?", (request_id,)).fetchone()
    hops = {} if row is None else json.loads(unpack(row[0]))
    own = {hop: tuple((name, value) for name, value in hops[named]) for hop, named in _named(hops)}
    return {hop: own[hop] for hop in Hop if hop in own}


def unpack(stored: Value) -> str | bytes:
    """The JSON of one row; before version 2 of the ledger it was not compressed."""
    if not isinstance(stored, bytes):
        return str(stored)
    return zstandard.ZstdDecompressor(dict_data=_usual()).decompress(stored)


def _usual() -> zstandard.ZstdCompressionDict:
    return zstandard.ZstdCompressionDict(USUAL, dict_type=zstandard.DICT_TYPE_RAWCONTENT)


def _named(hops: Mapping[str, list[list[str]] | str]) -> Iterator[tuple[Hop, str]]:
    """Each hop with the one that has its pairs."""
    for hop, pairs in hops.items():
        yield Hop(hop), pairs if isinstance(pairs, str) else hop


def _plain(headers: Iterable[Headers]) -> bool:
    """Whether all is text that UTF-8 can hold; when in doubt not."""
    try:
        return "".join(chain.from_iterable(chain.from_iterable(headers))).isascii()
    except TypeError:
        return False


def _clean(pairs: Headers) -> Headers:
    """The pairs that are text, as far as UTF-8 can hold it."""
    return tuple((text(name), text(value)) for name, value in pairs if isinstance(name, str) and isinstance(value, str))
