"""When the chunks of a stream arrived: byte offset and time of each, packed small."""

from __future__ import annotations

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
    numbers = array("q", zstandard.ZstdDecompressor().decompress(packed))
    if sys.byteorder == "big":
        numbers.byteswap()
    half = len(numbers) // 2
    return [
        (offset, micros / 1000)
        for offset, micros in zip(accumulate(numbers[:half]), accumulate(numbers[half:]), strict=True)
    ]


def get(conn: sqlite3.Connection, request_id: str) -> list[tuple[int, float]]:
    """The chunks of one exchange; empty when it was no stream."""
    row = conn.execute("SELECT packed FROM chunks WHERE request_id = ?", (request_id,)).fetchone()
    return [] if row is None else unpack(row[0])


def _differences(numbers: list[int]) -> Iterator[int]:
    return map(sub, numbers, [0, *numbers[:-1]])
