"""What a reader of JSON or of a URL sees where characters are written as escapes: `\\u0073`, `\\/`, `%73`.

Backslashes of JSON inside JSON are one escape with what follows them. Other escapes stay as they are: no secret that
is looked for has them inside.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from functools import cached_property
from itertools import accumulate

from proxy.reading.redact_scan import Unsearchable

_SIGNS = (b"\\u00", b"\\/", b"%")
"""Nearly all bodies have none of them."""
_CODE = rb"(0[9AaDd]|[2-7][0-9A-Fa-f])"
_ESCAPE = re.compile(rb"\\(?<!\\\\)\\*+(?:u00" + _CODE + rb"|/)|%" + _CODE)
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
        spans = [match.span() for match in _ESCAPE.finditer(self._escaped)]
        more = [0, *accumulate(end - start - 1 for start, end in spans)]
        return [start - before for (start, _), before in zip(spans, more, strict=False)], more


def unescaped(data: bytes) -> Unescaped | None:
    """The bytes without escapes; None where there are none. Raises Unsearchable for more than MOST."""
    if not any(sign in data for sign in _SIGNS):
        return None
    plain, count = _ESCAPE.subn(
        lambda match: _CHARACTERS[match[match.lastindex]] if match.lastindex else b"/", data, MOST
    )
    if count == MOST:
        raise Unsearchable(f"more than {MOST} escapes")
    return Unescaped(data, plain) if count else None


def whole_escapes(data: bytes) -> bytes:
    """The data without an escape that its end cuts."""
    broken = _BROKEN.search(data)
    return data[: broken.start()] if broken else data
