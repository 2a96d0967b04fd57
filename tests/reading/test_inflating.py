"""Each content coding decodes to at most the room it is given."""

from __future__ import annotations

import pytest

from proxy.reading.inflating import Brotli, Codec, Deflate, Gzip, TooLarge, Undecodable, Zstd

CODECS: list[type[Codec]] = [Gzip, Deflate, Brotli, Zstd]


@pytest.mark.parametrize("kind", CODECS)
def test_output_of_exactly_the_room_is_given(kind: type[Codec]) -> None:
    assert kind().feed(kind.encoded(b"x" * 70_000), 70_000) == b"x" * 70_000


@pytest.mark.parametrize("kind", CODECS)
def test_one_byte_more_than_the_room_is_refused_with_what_fits(kind: type[Codec]) -> None:
    with pytest.raises(TooLarge) as refused:
        kind().feed(kind.encoded(b"x" * 70_001), 70_000)
    assert refused.value.made == b"x" * 70_000


@pytest.mark.parametrize("kind", CODECS)
def test_bytes_of_no_coding_are_refused(kind: type[Codec]) -> None:
    with pytest.raises(Undecodable):
        kind().feed(b"\xff\xfe event: ping and so on, which is no coding", 1000)


@pytest.mark.parametrize("kind", [Gzip, Deflate, Brotli])
def test_end_of_the_body_is_known(kind: type[Codec]) -> None:
    codec, encoded = kind(), kind.encoded(b"some text")
    codec.feed(encoded[:-1], 100)
    assert not codec.at_end
    codec.feed(encoded[-1:], 100)
    assert codec.at_end
