"""When the chunks of a stream arrived: byte offset and time of each, packed small."""

from __future__ import annotations

import json
import sqlite3
import sys
from array import array
from collections.abc import Iterator, Sequence
from itertools import accumulate, chain
from operator import sub

import zstandard

MOST = 20_000
"""Chunks of one stream whose time is kept; what came behind them has none."""


def pack(chunks: Sequence[tuple[int, float]], compressor: zstandard.ZstdCompressor) -> bytes:
    """Pack (byte offset, milliseconds) pairs; times are kept to the microsecond."""
    offsets = [offset for offset, _ in chunks]
    times = list(map(round, [ms * 1000 for _, ms in chunks]))
    numbers = array("q", chain(_differences(offsets), _differences(times)))
    if sys.byteorder == "big":
        numbers.byteswap()
    return compressor.compress(numbers.tobytes())


def unpack(packed: bytes) -> list[tuple[int, float]]:
    """The pairs that `pack` was given."""
    sizes, pauses = _halves(packed, zstandard.ZstdDecompressor())
    return [(offset, micros / 1000) for offset, micros in zip(accumulate(sizes), accumulate(pauses), strict=True)]


def get(conn: sqlite3.Connection, request_id: str) -> list[tuple[int, float]]:
    """The chunks of one exchange; empty when it was no stream."""
    row = conn.execute("SELECT packed FROM chunks WHERE request_id = ?", (request_id,)).fetchone()
    return [] if row is None else unpack(row[0])


def pauses_of(conn: sqlite3.Connection, request_ids: Sequence[str]) -> dict[str, Sequence[int]]:
    """Microseconds from each chunk to the next, by request id; what was no stream is absent."""
    decompressor = zstandard.ZstdDecompressor()
    found = conn.execute(
        "SELECT request_id, packed FROM chunks WHERE request_id IN (SELECT value FROM json_each(?))",
        (json.dumps(list(request_ids)),),
    )
    return {request_id: _halves(packed, decompressor)[1][1:] for request_id, packed in found}


def _halves(packed: bytes, decompressor: zstandard.ZstdDecompressor) -> tuple[array[int], array[int]]:
    """Bytes and microseconds of each chunk since the one before it."""
    numbers = array("q", decompressor.decompress(packed))
    if sys.byteorder == "big":
        numbers.byteswap()
    half = len(numbers) // 2
    return numbers[:half], numbers[half:]


def _differences(numbers: list[int]) -> Iterator[int]:
    return map(sub, numbers, [0, *numbers[:-1]])
