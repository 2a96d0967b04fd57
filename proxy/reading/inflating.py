"""One class per content coding: compressed pieces in, at most so many bytes out; and whole bodies back."""

from __future__ import annotations

import gzip
import zlib
from typing import IO, Protocol, cast

import brotli
import zstandard

ZSTD_MAX_WINDOW_BYTES = 8 * 1024 * 1024
"""RFC 9659: the window a decoder of the coding `zstd` has to support, and a bound of its memory."""
_ZLIB_ITSELF, _ZLIB_RAW, _ZLIB_GZIP = 15, -15, 31


class Undecodable(ValueError):
    """The bytes are not of this coding; `made` is what they gave before."""

    def __init__(self, reason: str, made: bytes = b"") -> None:
        super().__init__(reason)
        self.made = made


class TooLarge(Undecodable):
    """There is more output than allowed; `made` is the allowed part."""


class Codec(Protocol):
    """An incremental decoder of one content coding."""

    @property
    def at_end(self) -> bool:
        """Whether the encoded body may end here."""

    def feed(self, data: bytes, room: int) -> bytes:
        """Return what the bytes decode to. Raises TooLarge beyond `room` bytes, Undecodable for wrong bytes."""

    @staticmethod
    def encoded(data: bytes) -> bytes:
        """Return a whole body in this coding."""


class Gzip:
    """RFC 1952, any number of members."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(_ZLIB_GZIP)

    @property
    def at_end(self) -> bool:
        """Whether a member has just ended."""
        return self._inflate.eof

    def feed(self, data: bytes, room: int) -> bytes:
        """Decode; a new member begins where one has ended, and zeros between members are padding."""
        made: list[bytes] = []
        while data:
            if self._inflate.eof:
                data = data.lstrip(b"\0")
                if not data:
                    break
                self._inflate = zlib.decompressobj(_ZLIB_GZIP)
            made.append(_inflated(self._inflate, data, room - sum(map(len, made)), made))
            data = self._inflate.unused_data
        return b"".join(made)

    @staticmethod
    def encoded(data: bytes) -> bytes:
        """Return a whole body in this coding."""
        return gzip.compress(data, mtime=0)


class Deflate:
    """RFC 1950, or the bare RFC 1951 that some servers send under the same name."""

    def __init__(self) -> None:
        self._head = b""
        self._inflate: zlib._Decompress | None = None

    @property
    def at_end(self) -> bool:
        """Whether the last block is complete."""
        return self._inflate is not None and self._inflate.eof

    def feed(self, data: bytes, room: int) -> bytes:
        """Decode; the first two bytes tell the two forms apart."""
        if self._inflate is None:
            data = self._head = self._head + data
            if len(data) < 2:
                return b""
            is_zlib = data[0] & 0x0F == 8 and int.from_bytes(data[:2], "big") % 31 == 0
            self._inflate = zlib.decompressobj(_ZLIB_ITSELF if is_zlib else _ZLIB_RAW)
        if self._inflate.eof:
            raise Undecodable("bytes after the end of the deflate body")
        made = _inflated(self._inflate, data, room, [])
        if self._inflate.unused_data:
            raise Undecodable("bytes after the end of the deflate body", made)
        return made

    @staticmethod
    def encoded(data: bytes) -> bytes:
        """Return a whole body in this coding."""
        return zlib.compress(data)


class Brotli:
    """RFC 7932."""

    def __init__(self) -> None:
        self._inflate = brotli.Decompressor()

    @property
    def at_end(self) -> bool:
        """Whether the last meta-block is complete."""
        return bool(self._inflate.is_finished())

    def feed(self, data: bytes, room: int) -> bytes:
        """Decode in steps, because one step may give any amount."""
        made = bytearray()
        try:
            made += self._inflate.process(data, output_buffer_limit=max(1, room))
            while not self._inflate.can_accept_more_data() and len(made) <= room:
                made += self._inflate.process(b"", output_buffer_limit=max(1, room))
        except brotli.error as error:
            raise Undecodable(str(error), bytes(made[:room])) from error
        return _within(bytes(made), room)

    @staticmethod
    def encoded(data: bytes) -> bytes:
        """Return a whole body in this coding."""
        return bytes(brotli.compress(data, quality=4))


class Zstd:
    """RFC 8878, any number of frames."""

    def __init__(self) -> None:
        self._sink = _Sink()
        decompressor = zstandard.ZstdDecompressor(max_window_size=ZSTD_MAX_WINDOW_BYTES)
        self._inflate = decompressor.stream_writer(cast(IO[bytes], self._sink), write_size=16384, closefd=False)

    @property
    def at_end(self) -> bool:
        """Not told by the library: a body that ends early passes for a whole one."""
        return True

    def feed(self, data: bytes, room: int) -> bytes:
        """Decode into a sink that refuses more than its room."""
        self._sink.room = room
        try:
            self._inflate.write(data)
        except (zstandard.ZstdError, TooLarge) as error:
            kind = TooLarge if isinstance(error, TooLarge) else Undecodable
            raise kind(str(error), self._sink.taken()[:room]) from error
        return self._sink.taken()

    @staticmethod
    def encoded(data: bytes) -> bytes:
        """Return a whole body in this coding."""
        return zstandard.ZstdCompressor().compress(data)


class _Sink:
    """Where the zstd library writes; raising stops it in the middle of a bomb."""

    def __init__(self) -> None:
        self.room = 0
        self._parts: list[bytes] = []
        self._size = 0

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        self._size += len(data)
        if self._size > self.room:
            raise TooLarge("too large")
        return len(data)

    def taken(self) -> bytes:
        made = b"".join(self._parts)
        self._parts.clear()
        self._size = 0
        return made


def _inflated(inflate: zlib._Decompress, data: bytes, room: int, before: list[bytes]) -> bytes:
    try:
        made = inflate.decompress(data, room + 1)
    except zlib.error as error:
        raise Undecodable(str(error), b"".join(before)) from error
    if len(made) > room:
        raise TooLarge("too large", b"".join((*before, made[:room])))
    return made


def _within(made: bytes, room: int) -> bytes:
    if len(made) > room:
        raise TooLarge("too large", made[:room])
    return made
