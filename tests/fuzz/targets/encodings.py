"""Content codings: wrong bytes are told, never raised; what is encoded comes back; output is bounded."""

from __future__ import annotations

from proxy.reading.encodings import FREE_BYTES, MAX_RATIO, decode, decoder, encode
from tests.fuzz.targets import cut

CODINGS = ("gzip", "deflate", "br", "zstd", "x-gzip", "none-such")
TOKENS = (
    b"\x00",
    b"\x01",
    b"\x02",
    b"\x03",
    b"\x1f\x8b\x08",
    b"\x78\x9c",
    b"\x28\xb5\x2f\xfd",
    b"\x0b\x02\x80",
    b"\xff" * 8,
    b"\x00" * 8,
)


def check(data: bytes) -> None:
    """The first byte says which coding, the rest is the body."""
    coding, body = CODINGS[data[0] % len(CODINGS)] if data else "gzip", data[1:]
    whole = decode(body, coding)
    assert len(whole.data) <= max(FREE_BYTES, MAX_RATIO * len(body))
    pieces = decoder(coding)
    made = b"".join(pieces.feed(piece) for piece in cut(body, len(data)))
    pieces.finish()
    assert (pieces.error is None) == (whole.error is None)
    assert made == whole.data or (whole.error and (made.startswith(whole.data) or whole.data.startswith(made)))
    if coding != "none-such":
        back = decode(encode(body, coding), coding)
        assert (back.data, back.error) == (body, None)
