from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator

import brotli
import pytest
import zstandard

from proxy.inspector import stream
from proxy.inspector.stream import RawEvent, events, raw_stream
from proxy.ledger.chunks import MOST

BODY = b'event: a\ndata: {"n":1}\n\nevent: b\ndata: {"n":2}\n\n: comment\n\nevent: c\ndata: \xc3\xa9\n\n'


def test_events_carry_the_time_of_the_chunk_that_completed_them() -> None:
    """S0-28"""
    seen = raw_stream(BODY, None, [(0, 100.0), (10, 200.0), (60, 1300.0)])

    assert seen.events == (
        RawEvent("200 ms", "a", '{"n":1}'), RawEvent("200 ms", "b", '{"n":2}'), RawEvent("1.30 s", "c", "é"),
    )  # fmt: skip
    assert (seen.timed, seen.cut) == (True, False)


def gzipped(pieces: list[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(wbits=31)
    for piece in pieces:
        yield packer.compress(piece) + packer.flush(zlib.Z_SYNC_FLUSH)
    yield packer.flush()


def brotlied(pieces: list[bytes]) -> Iterator[bytes]:
    packer = brotli.Compressor(quality=4)
    for piece in pieces:
        yield packer.process(piece) + packer.flush()
    yield packer.finish()


def zstded(pieces: list[bytes]) -> Iterator[bytes]:
    packer = zstandard.ZstdCompressor().compressobj()
    for piece in pieces:
        yield packer.compress(piece) + packer.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    yield packer.flush()


@pytest.mark.parametrize(("coding", "packed"), [("gzip", gzipped), ("br", brotlied), ("zstd", zstded)])
def test_encoded_streams_have_times_too(coding: str, packed: Callable[[list[bytes]], Iterator[bytes]]) -> None:
    """Each event has the time of the compressed chunk that completed it."""
    pieces = list(packed([BODY[:20], BODY[20:48], BODY[48:]]))
    starts = [sum(map(len, pieces[:number])) for number in range(3)]
    chunks = [(start, 100.0 * (number + 1)) for number, start in enumerate(starts)]

    seen = events(b"".join(pieces), coding, chunks)

    assert [(event.ms, event.name) for event in seen] == [(200.0, "a"), (200.0, "b"), (300.0, "c")]


def test_what_came_after_the_last_time_that_was_kept_has_none() -> None:
    body = b"data: x\n\n" * (MOST + 5)
    chunks = [(9 * number, float(number)) for number in range(MOST)]

    times = [event.ms for event in events(body, None, chunks)]

    assert times[:2] == [0.0, 1.0]
    assert times[MOST - 2 :] == [MOST - 2.0, None, None, None, None, None, None]


def test_without_chunks_times_are_unknown() -> None:
    seen = raw_stream(BODY, None, [])

    assert [event.at for event in seen.events] == ["—", "—", "—"]
    assert not seen.timed


def test_long_streams_are_cut() -> None:
    assert raw_stream(BODY * 1000, None, []).cut
    assert len(raw_stream(BODY * 1000, None, []).events) == stream.MAX_EVENTS
    assert raw_stream(b"data: " + b"x" * (stream.MAX_CHARACTERS + 1) + b"\n\n", None, []).events == ()
