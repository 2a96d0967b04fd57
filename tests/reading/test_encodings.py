"""Copies are decoded incrementally and within bounds; what cannot be decoded is told."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from random import Random

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.reading.encodings import (
    FREE_BYTES,
    MAX_DECODED_BYTES,
    MAX_RATIO,
    decode,
    decoder,
    encode,
    is_compressed,
    is_encoded,
    is_text,
)
from tests.reading.streams import CODINGS, cut

TEXT = b"".join(b"event: ping %d\n" % number for number in range(3000))


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=2000), st.sampled_from(CODINGS), st.lists(st.integers(0, 3000), max_size=5))
def test_every_coding_in_any_pieces_gives_the_body_back(body: bytes, coding: str, places: list[int]) -> None:
    """C18"""
    decoding = decoder(coding)
    assert b"".join(decoding.feed(piece) for piece in cut(encode(body, coding), places)) == body
    decoding.finish()
    assert decoding.error is None


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300), st.sampled_from([*CODINGS, "x-gzip", "", "compress"]), st.booleans())
def test_any_bytes_under_any_coding_never_raise(data: bytes, coding: str, valid_start: bool) -> None:
    """C18"""
    decoded = decode(encode(b"begin", coding)[:8] + data if valid_start else data, coding)
    assert decoded.error is None or decoded.error


@pytest.mark.parametrize("coding", CODINGS)
def test_body_decodes_byte_by_byte(coding: str) -> None:
    encoded, decoding = encode(TEXT, coding), decoder(f" {coding.upper()} ")
    assert b"".join(decoding.feed(encoded[i : i + 1]) for i in range(len(encoded))) == TEXT


def test_what_has_been_flushed_is_decoded_at_once() -> None:
    deflate, decoding = zlib.compressobj(wbits=31), decoder("gzip")
    for word in (b"one", b"two"):
        assert decoding.feed(deflate.compress(word) + deflate.flush(zlib.Z_SYNC_FLUSH)) == word


def test_bare_deflate_is_read_like_the_wrapped_one() -> None:
    bare = zlib.compressobj(wbits=-15)
    encoded = bare.compress(TEXT) + bare.flush()
    decoding = decoder("deflate")
    assert b"".join(decoding.feed(piece) for piece in cut(encoded, [1, 2, 50])) == TEXT
    assert decode(zlib.compress(TEXT), "deflate").data == TEXT


def test_members_and_frames_follow_one_another() -> None:
    assert decode(gzip.compress(b"a") + gzip.compress(b"b") + b"\0\0", "gzip").data == b"ab"
    frame = zstandard.ZstdCompressor().compress
    assert decode(frame(b"a") + frame(b"b"), "zstd").data == b"ab"


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("in_one_piece", [True, False])
def test_bomb_stops_at_the_ratio_and_memory_stays_small(coding: str, in_one_piece: bool) -> None:
    """C19"""
    bomb = encode(b"\0" * (40 * FREE_BYTES), coding)
    pieces = [bomb] if in_one_piece else cut(bomb, range(0, len(bomb), 1000))
    decoding = decoder(coding)
    tracemalloc.start()
    made = sum(len(decoding.feed(piece)) for piece in pieces)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert FREE_BYTES <= made <= max(FREE_BYTES, MAX_RATIO * len(bomb))
    assert decoding.error is not None
    assert decoding.error.startswith("decodes to more than")
    assert decoding.feed(bomb) == b""
    assert peak < 40 * FREE_BYTES


def test_modest_ratio_stops_at_64_mib() -> None:
    noise = bytes(range(256)) * 16
    part = zlib.compressobj(wbits=31, level=0)
    encoded = [part.compress(noise) for _ in range(64 + MAX_DECODED_BYTES // len(noise))]
    decoding = decoder("gzip")
    assert sum(len(decoding.feed(piece)) for piece in encoded) == MAX_DECODED_BYTES
    assert decoding.error == f"decodes to more than {MAX_DECODED_BYTES} bytes"


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br"])
def test_body_that_ends_in_the_middle_is_told(coding: str) -> None:
    decoded = decode(encode(TEXT, coding)[:-5], coding)
    assert decoded.error == "the encoded body ends early"
    assert TEXT.startswith(decoded.data)


@pytest.mark.parametrize(
    ("coding", "error"),
    [
        ("compress", "unknown content coding 'compress'"),
        ("gzip, br", "chained content codings are not decoded"),
        ("gzip", "Error -3 while decompressing data: incorrect header check"),
    ],
)
def test_unknown_chained_and_wrong_codings_are_told(coding: str, error: str) -> None:
    """C18, C19"""
    decoded = decode(b'{"type":"message"}', coding)
    assert (decoded.data, decoded.error) == (b"", error)


@pytest.mark.parametrize("coding", [None, "", "identity", " Identity , "])
def test_body_without_coding_passes(coding: str | None) -> None:
    assert not is_encoded(coding)
    assert decode(b"abc", coding).data == b"abc"
    assert encode(b"abc", coding) == b"abc"


def test_empty_body_under_a_coding_is_no_error() -> None:
    assert decode(b"", "gzip").error is None


def test_zstd_window_beyond_the_standard_is_refused() -> None:
    """C19"""
    wide = zstandard.ZstdCompressionParameters(window_log=27)
    stream = zstandard.ZstdCompressor(compression_params=wide).compressobj()
    assert "too much memory" in (decode(stream.compress(b"x" * 1000) + stream.flush(), "zstd").error or "")


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("length", [1, 9, 500])
def test_a_text_in_a_coding_that_no_header_names_is_known(coding: str, length: int) -> None:
    body = encode(b'{"text": "a question"}' * length, coding)
    assert is_compressed(body) is (length > 1 or coding in ("gzip", "zstd"))
    if coding != "br":
        assert is_compressed(body[: len(body) * 9 // 10]) is is_compressed(body)


def test_text_and_what_is_neither_text_nor_compressed_text_are_not_taken_for_it() -> None:
    texts = (
        b"",
        b"{}",
        "prix: 5 \u20ac".encode(),
        ("x" * 4095 + "\u20ac").encode(),
        ("\U0001f600" * 3000)[1:].encode(),
    )
    assert [is_text(each) for each in texts] == [True] * len(texts)
    files = (
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff\xe0",
        b"PK\3\4\xff",
        b"GIF89a\xff\xff",
        b"RIFF\xff\xffWEBP",
        b"%PDF-1.7\n%\xe2\xe3",
    )
    assert not any(is_compressed(bytes([each])) for each in range(256))
    for seed in range(40):
        for head in files:
            body = head + Random(seed).randbytes(6_000)
            assert not is_text(body)
            assert not is_compressed(body)
