"""Secrets that an event stream cuts in two: the texts of its deltas are put together, searched, and mapped back.

What is cut over several choices or tool calls at once, their deltas interleaved, is not put together.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

_STREAM = (b"event:", b"data:", b"id:", b"retry:", b":", b"\xef\xbb\xbf")
_BLANK = 64
"""Bytes of blank lines that may come before the first event."""
_STRING = rb"\s{0,8}:\s{0,8}\"([^\"\\]*+(?:\\.[^\"\\]*+)*+)\""
_ANTHROPIC = re.compile(rb'_delta",\s{0,8}"(?:text|partial_json|thinking)"' + _STRING)
_OPENAI = re.compile(rb'"(?:content|arguments|delta|refusal|reasoning(?:_content)?)"' + _STRING)


class Cut(NamedTuple):
    """A part of a body that holds a part of a secret."""

    start: int
    end: int
    first: bool
    """Whether the secret begins here."""


def deltas(data: bytes) -> bytes:
    """The texts of all deltas of an event stream, one after another as they stand in its JSON; empty for others."""
    return b"".join(_text(data).findall(data)) if data[:_BLANK].lstrip().startswith(_STREAM) else b""


def cuts(data: bytes, spans: Sequence[tuple[int, int]]) -> Iterator[Iterator[Cut]]:
    """For each span of what `deltas` returned, where its parts stand in the stream."""
    places = [match.span(1) for match in _text(data).finditer(data)]
    begins = [0, *accumulate(end - start for start, end in places)]
    for start, end in spans:
        yield _parts(places, begins, start, end)


def _text(data: bytes) -> re.Pattern[bytes]:
    return _ANTHROPIC if b"content_block_delta" in data else _OPENAI


def _parts(places: Sequence[tuple[int, int]], begins: Sequence[int], start: int, end: int) -> Iterator[Cut]:
    number = bisect_right(begins, start) - 1
    while number < len(places) and begins[number] < end:
        place, begin = places[number][0], begins[number]
        if begins[number + 1] > max(start, begin):
            yield Cut(place + max(0, start - begin), place + min(end, begins[number + 1]) - begin, begin <= start)
        number += 1
