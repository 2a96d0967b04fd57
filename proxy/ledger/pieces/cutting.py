"""Where a request body is cut: at the elements of the lists that a conversation repeats and makes longer.

Cuts are positions; every piece is a slice of the body, so that wherever it is cut, the slices are the body. What is cut
well is found again in the next turn: brackets at the end of an element and the cache breakpoint, which moves from turn
to turn, are left between the pieces.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

import msgspec

from proxy.reading.jsontext import dense

MIN_BODY = 4 * 1024
"""Smaller bodies stay whole: rows of their own would cost more than they save."""
MIN_PIECE = 512
"""Neighbours smaller than this become one piece."""
MAX_PIECE = 1024 * 1024
"""Longer pieces are cut, so that storing and deleting goes in small steps."""
MAX_GLUE = 256
"""Longer stretches between two elements are not what anybody sends: such a list stays whole."""
MAX_ELEMENTS = 10_000
_DENSE_ABOVE = 1024 * 1024
_MAX_MARKS = 16
"""The API takes four cache breakpoints."""
_PLACES = 8
"""How often something may look like the beginning of a list before it is given up."""

_OPEN = b'{"messages":['
_MARK = b'"cache_control"'
_MARKED = re.compile(rb'"cache_control"\s?:\s?\{[^{}]{0,200}\}[\]}\s]{0,100}')
_BETWEEN = re.compile(rb'[\]}\s]{0,100}+(?:,\s{0,50}"cache_control"\s?:\s?\{[^{}]{0,200}\}[\]}\s]{0,100}+)?+,\s{0,50}')
_CLOSING = b"]} \r\n\t"
_SEPARATOR = re.compile(rb"[\s,]*")

Core = tuple[int, int]
"""Beginning and end of a piece within the body."""


class Section(NamedTuple):
    """One list of the body, its elements as pieces; what lies between two of them is glue."""

    cores: list[Core]
    end: int
    """Where the last element ends."""
    grows: bool
    """Whether a conversation makes it longer from turn to turn."""

    def moved(self, offset: int) -> Section:
        """The same, elsewhere."""
        return Section([(start + offset, end + offset) for start, end in self.cores], self.end + offset, self.grows)


class _Body(msgspec.Struct):
    messages: msgspec.Raw = msgspec.Raw()
    input: msgspec.Raw = msgspec.Raw()
    system: msgspec.Raw = msgspec.Raw()
    tools: msgspec.Raw = msgspec.Raw()


class _Object(msgspec.Struct, gc=False):
    """Any object: a list of anything else is refused at its first element, before it takes memory."""


_GROWING = ("messages", "input")
_BODY = msgspec.json.Decoder(_Body)
_OBJECTS = msgspec.json.Decoder(list[_Object])
_LIST = msgspec.json.Decoder(list[msgspec.Raw])


def cut(body: bytes) -> list[Section]:
    """The lists of a JSON body in their order; none when it is small, something else or shaped strangely."""
    if len(body) < MIN_BODY or not body.startswith(b"{"):
        return []
    if dense(body, _DENSE_ABOVE):
        return []
    return _sections(body)


def beyond(body: bytes, start: int) -> list[Section]:
    """The lists from `start` on, where an element of a growing list begins: what is left of it comes first.

    None when that is not so.
    """
    rest = _OPEN + body[start:]
    sections = _sections(rest)
    if not sections or not sections[0].grows:
        return []
    offset = start - len(_OPEN)
    return [section.moved(offset) for section in sections]


def next_element(body: bytes, start: int, end: int) -> int | None:
    """Where the element begins that follows the piece ending at `start`; None when another thing follows."""
    between = _BETWEEN.match(body, start, end)
    return None if between is None else between.end()


def added(body: bytes, start: int, end: int) -> list[Core] | None:
    """The pieces of the elements from `start` to `end`; None when these are not whole elements."""
    try:
        return _cores(body, start, b"[%s]" % body[start:end])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def slices(start: int, end: int) -> list[Core]:
    """A stretch in pieces of bounded size; none of an empty one."""
    return [(place, min(place + MAX_PIECE, end)) for place in range(start, end, MAX_PIECE)]


def _sections(body: bytes) -> list[Section]:
    try:
        fields = _BODY.decode(body)
        found = [_section(body, getattr(fields, name), name in _GROWING) for name in fields.__struct_fields__]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return []
    sections = sorted((each for each in found if each and each.cores), key=lambda each: each.cores[0])
    apart = all(one.end <= other.cores[0][0] for one, other in pairwise(sections))
    return sections if apart else []


def _section(body: bytes, raw: msgspec.Raw, grows: bool) -> Section | None:
    value = bytes(raw)
    start = _place(body, value) if grows or len(value) > MIN_PIECE else -1
    if start < 0:
        return None
    end = start + len(value) - 1
    if value.startswith(b'"'):
        return Section(slices(start + 1, end), end, grows=False)
    cores = _cores(body, start + 1, value) if value.startswith(b"[") else None
    return None if cores is None else Section(cores, end, grows)


def _place(body: bytes, value: bytes) -> int:
    """Where a value stands in the body; -1 when that is not found at once."""
    head, place = value[:64], -1
    for _ in range(_PLACES):
        place = body.find(head, place + 1)
        if place < 0 or body.startswith(value, place):
            return place
    return -1


def _cores(body: bytes, start: int, value: bytes) -> list[Core] | None:
    """The pieces of a list whose first element stands behind `start`; None when it cannot be cut sensibly."""
    if len(value) > MAX_ELEMENTS and len(_OBJECTS.decode(value)) > MAX_ELEMENTS:
        return None
    elements = _places(body, start, _LIST.decode(value))
    cores: list[Core] = []
    for first, last in _stretches(elements, _marks(body, start, start + len(value))):
        cores += slices(first, _before(body, first, last, _CLOSING))
    near = all(other[0] - one[1] <= MAX_GLUE for one, other in pairwise(cores))
    return cores if near else None


def _places(body: bytes, start: int, elements: list[msgspec.Raw]) -> Iterator[Core]:
    """Where each element stands."""
    for element in elements:
        separator = _SEPARATOR.match(body, start)
        first = start if separator is None else separator.end()
        start = first + memoryview(element).nbytes
        yield first, start


def _marks(body: bytes, start: int, end: int) -> list[Core]:
    """The cache breakpoints, each with the brackets and the comma around it."""
    marks: list[Core] = []
    place = body.find(_MARK, start, end)
    while place >= 0:
        if len(marks) == _MAX_MARKS:
            return []
        found = _MARKED.match(body, place, end)
        if found is not None:
            marks.append((_before(body, start, place, _CLOSING + b","), found.end()))
        place = body.find(_MARK, place + 1, end)
    return marks


def _before(body: bytes, start: int, end: int, ending: bytes) -> int:
    """Where what stands before `end` ends when the bytes of `ending` are left out, as far as glue may be long."""
    for place in range(end, max(start, end - MAX_GLUE), -1):
        if body[place - 1] not in ending:
            return place
    return max(start, end - MAX_GLUE)


def _stretches(elements: Iterable[Core], marks: list[Core]) -> Iterator[Core]:
    """Elements joined until they are long enough, cut where a cache breakpoint is."""
    begin, last = -1, 0
    for first, last in elements:
        begin = first if begin < 0 else begin
        while marks and marks[0][0] < last:
            before, behind = marks.pop(0)
            if before > begin:
                yield begin, before
            begin = behind
        if begin >= last:
            begin = -1
        elif last - begin >= MIN_PIECE:
            yield begin, last
            begin = -1
    if 0 <= begin < last:
        yield begin, last
