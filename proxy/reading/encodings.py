"""Content codings of the copies that are looked at: gzip, deflate, br and zstd, incremental and bounded.

What is relayed is never decoded; a body that cannot be decoded is said to be so and stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass

from proxy.reading.inflating import Brotli, Codec, Deflate, Gzip, TooLarge, Undecodable, Zstd

MAX_DECODED_BYTES = 64 * 1024 * 1024
MAX_RATIO = 200
"""Event streams reach about 30; what passes this after the first MiB is a decompression bomb."""
FREE_BYTES = 1024 * 1024
CUT = "the encoded body ends early"
"""What a body lacks that was read as far as it goes."""
_SLICE = 4096
_MARKS = {"gzip": b"\x1f\x8b", "zstd": b"\x28\xb5\x2f\xfd", "deflate": b"", "br": b""}
"""How a coding begins; in those that have no mark of their own, any bytes may decode to a little text by chance."""
_CODECS: dict[str, type[Codec]] = {
    "gzip": Gzip,
    "x-gzip": Gzip,
    "deflate": Deflate,
    "br": Brotli,
    "zstd": Zstd,
}


@dataclass(frozen=True, slots=True)
class Decoded:
    """A body without its content coding."""

    data: bytes
    """As much as could be decoded."""
    error: str | None = None
    """Why this is not all; None when it is."""


class Decoder:
    """Takes the content coding off a body, piece by piece. After an error it returns nothing more."""

    def __init__(self, codec: Codec | None, error: str | None = None) -> None:
        self.error = error
        """Why decoding stopped; None while all is well."""
        self._codec = codec
        self._read = 0
        self._made = 0

    def feed(self, data: bytes) -> bytes:
        """Return what these bytes decode to; never raises."""
        if self._codec is None:
            return b"" if self.error else data
        made: list[bytes] = []
        for start in range(0, len(data), _SLICE):
            if self.error:
                break
            made.append(self._decoded(self._codec, data[start : start + _SLICE]))
        return b"".join(made)

    def finish(self) -> None:
        """Say that the body is over: sets `error` when it ended in the middle."""
        if self._codec is not None and self.error is None and self._read and not self._codec.at_end:
            self.error = CUT

    def _decoded(self, codec: Codec, piece: bytes) -> bytes:
        self._read += len(piece)
        most = min(MAX_DECODED_BYTES, max(FREE_BYTES, MAX_RATIO * self._read))
        try:
            made = codec.feed(piece, most - self._made)
        except TooLarge as error:
            made = error.made
            self.error = f"decodes to more than {most} bytes"
        except Undecodable as error:
            made = error.made
            self.error = str(error)[:200]
        self._made += len(made)
        return made


def decoder(content_encoding: str | None) -> Decoder:
    """Return a decoder for the value of a `content-encoding` header (None or empty: not encoded).

    Unknown and chained codings give a decoder whose `error` is set from the start.
    """
    codings = _codings(content_encoding)
    if not codings:
        return Decoder(None)
    if len(codings) > 1:
        return Decoder(None, "chained content codings are not decoded")
    codec = _CODECS.get(codings[0])
    if codec is None:
        return Decoder(None, f"unknown content coding {codings[0][:40]!r}")
    return Decoder(codec())


def decode(data: bytes, content_encoding: str | None) -> Decoded:
    """Take the content coding off a whole body."""
    whole = decoder(content_encoding)
    made = whole.feed(data)
    whole.finish()
    return Decoded(made, whole.error)


def encode(data: bytes, content_encoding: str | None) -> bytes:
    """Put a content coding on a body again; unknown codings leave it as it is."""
    codings = _codings(content_encoding)
    codec = _CODECS.get(codings[0]) if len(codings) == 1 else None
    return data if codec is None else codec.encoded(data)


def is_text(data: bytes) -> bool:
    """Whether a body begins as UTF-8 text does."""
    head = data[:_SLICE]
    if head.isascii():
        return True
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data" and error.start > len(head) - 4
    return True


def is_compressed(data: bytes) -> bool:
    """Whether what seems to be no text is text in a content coding."""
    if is_text(data):
        return False
    return any(_hides_text(coding, mark, data[:_SLICE]) for coding, mark in _MARKS.items() if data.startswith(mark))


def _hides_text(coding: str, mark: bytes, head: bytes) -> bool:
    whole = decoder(coding)
    made = whole.feed(head)
    return whole.error is None and is_text(made) and (mark != b"" or len(made) > len(head))


def is_encoded(content_encoding: str | None) -> bool:
    """Whether a `content-encoding` header names any coding."""
    return content_encoding is not None and bool(_codings(content_encoding))


def _codings(content_encoding: str | None) -> list[str]:
    if not content_encoding:
        return []
    names = (name.strip().lower() for name in content_encoding.split(","))
    return [name for name in names if name not in ("", "identity")]
