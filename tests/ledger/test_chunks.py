"""Packed chunk times."""

from __future__ import annotations

from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from proxy.ledger.chunks import pack, unpack
from proxy.ledger.pieces.chains import compressor

_STEPS = st.lists(st.tuples(st.integers(0, 100_000), st.integers(0, 10_000_000)))


@given(_STEPS)
def test_offsets_and_microseconds_come_back(steps: list[tuple[int, int]]) -> None:
    offsets = accumulate(size for size, _ in steps)
    micros = accumulate(pause for _, pause in steps)
    chunks = [(offset, at / 1000) for offset, at in zip(offsets, micros, strict=True)]
    assert unpack(pack(chunks, compressor())) == chunks


def test_steady_stream_packs_small() -> None:
    assert len(pack([(number * 120, number * 20.0) for number in range(5_000)], compressor())) < 500
