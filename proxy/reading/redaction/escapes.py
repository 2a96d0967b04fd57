"""What a reader of JSON or of a URL sees where characters are written as escapes: `\\u0073`, `\\/`, `%73`.

In JSON inside JSON, two backslashes or four begin an escape. Other escapes stay as they are: no secret that is looked
for has them inside.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable
from functools import cached_property
from itertools import accumulate

from ahocorasick_rs import BytesAhoCorasick

from proxy.reading.redaction.scan import Unsearchable

_SEARCHES = (
    [BytesAhoCorasick([b"\\/"])],
    [BytesAhoCorasick([b"\\u00"]), BytesAhoCorasick([b"\\u00%d" % digit for digit in (0, *range(2, 8))])],
    [BytesAhoCorasick([b"%%%d" % digit for digit in (0, *range(2, 8))])],
)
"""For each sort of escape what has to be there; a search for one thing takes 5 µs for 200 kB, `in` a hundred."""
_SHORT, _PIECE, _OVERLAP = 4 * 1024, 256 * 1024, 8
_CODE = rb"(0[9AaDd]|[2-7][0-9A-Fa-f])"
_ESCAPE = re.compile(rb"(\\(?<!\\\\)\\*+)(?:u00" + _CODE + rb"|/)|%" + _CODE)
_BROKEN = re.compile(rb"(?<!\\)\\++(?:u[0-9A-Fa-f]{0,3})?\Z|%[0-9A-Fa-f]?\Z")
_CHARACTERS = {
    first + second: bytes([int(first + second, 16)])
    for first in (b"0", b"2", b"3", b"4", b"5", b"6", b"7")
    for second in (b"%c" % each for each in b"0123456789abcdefABCDEF")
}
MOST = 1_000_000
"""Escapes of one body."""


class Unescaped:
    """Bytes without escapes, and where each stood."""

    def __init__(self, escaped: bytes, data: bytes) -> None:
        self.data = data
        self._escaped = escaped

    def origin(self, place: int) -> int:
        """Where the byte at a place stood, or what is before it ended."""
        places, more = self._places
        return place + more[bisect_left(places, place)]

    def place(self, origin: int) -> int:
        """The least place whose origin is not before this one."""
        low, high = 0, len(self.data)
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if self.origin(middle) < origin else (low, middle)
        return low

    @cached_property
    def _places(self) -> tuple[list[int], list[int]]:
        """The places of characters that were escapes, and how many bytes more were there before each, and in all."""
        spans = [(match.start() + _literal(match), match.end()) for match in _ESCAPE.finditer(self._escaped)]
        more = [0, *accumulate(end - start - 1 for start, end in spans)]
        return [start - before for (start, _), before in zip(spans, more, strict=False)], more


def unescaped(data: bytes) -> Unescaped | None:
    """The bytes without escapes; None where there are none. Raises Unsearchable for more than MOST."""
    if len(data) <= _SHORT:
        if not (b"%" in data or b"\\u00" in data or b"\\/" in data):
            return None
    elif not any(_there(data, searches) for searches in _SEARCHES):
        return None
    plain, count = _ESCAPE.subn(_read, data, MOST)
    if count == MOST:
        raise Unsearchable(f"more than {MOST} escapes")
    return Unescaped(data, plain) if count else None


def _there(data: bytes, searches: Iterable[BytesAhoCorasick]) -> bool:
    """Whether all of some searches find something; in pieces, because they note down each place."""
    pieces = range(0, len(data), _PIECE - _OVERLAP)
    return all(any(search.find_matches_as_indexes(data[at : at + _PIECE]) for at in pieces) for search in searches)


def _read(match: re.Match[bytes]) -> bytes:
    run, code, percent = match.groups()
    plain = _CHARACTERS[code or percent] if code or percent else b"/"
    return plain if run is None or len(run) == 1 else run[: _literal(match)] + plain


def _literal(match: re.Match[bytes]) -> int:
    """How many backslashes before an escape stand for backslashes: all but one, or what the depth of JSON needs."""
    backslashes = len(match[1] or b"")
    return backslashes - (backslashes & -backslashes)


def whole_escapes(data: bytes) -> bytes:
    """The data without an escape that its end cuts."""
    broken = _BROKEN.search(data)
    return data[: broken.start()] if broken else data
