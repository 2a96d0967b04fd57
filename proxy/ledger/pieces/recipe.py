"""What a body consists of: pieces of its lists and the frame around them; what of it is known from the turn before.

The recorder remembers the bodies it stored last. The next turn of a conversation begins as the one before did: what is
the same byte for byte need not be parsed, hashed or looked up again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from proxy.ledger.pieces import cutting
from proxy.ledger.pieces.cutting import Section

MAX_REMEMBERED = 16 * 1024 * 1024
_MAX_BODIES = 32
_BACK = (1, 2, 3, 5, 9, 17)
"""How many pieces from the end the common beginning of two turns may end."""
_PROBE = 64
_STEP = 64 * 1024


class Part(NamedTuple):
    """Stored bytes."""

    codec: str
    """`zstd`, or `raw` where that would not be smaller."""
    data: bytes


class Link(NamedTuple):
    """One piece in its place: what stands between it and the piece before, and itself."""

    glue: bytes
    core: bytes
    digest: bytes


@dataclass(slots=True, eq=False)
class Recipe:
    """How one body is put together: a frame and, inside it, chains of pieces."""

    body: bytes
    sections: list[Section]
    nodes: list[list[int]]
    """The places in the ledger of the frame and of the first pieces of each section, as far as they are known."""
    frame: Link = field(init=False)
    """What stands around the sections, joined; its glue says where that is cut: sizes, separated by commas."""
    fresh: list[list[Link]] = field(init=False)
    """The pieces whose places are not known, in the order of `nodes`."""
    packed: dict[bytes, Part] = field(default_factory=dict)
    """New pieces, compressed, by digest."""
    placed: list[list[int]] = field(default_factory=list)
    """All places, as they are after the commit."""
    replaces: Recipe | None = None
    """The turn before, when all but the new elements is the same."""

    def __post_init__(self) -> None:
        parts, place = [], 0
        for section in self.sections:
            parts.append(self.body[place : section.cores[0][0]])
            place = section.cores[-1][1]
        parts.append(self.body[place:])
        frame, sizes = b"".join(parts), b",".join(b"%d" % len(part) for part in parts)
        self.frame = Link(sizes, frame, hashlib.sha256(frame).digest())
        self.fresh = []

    def find_fresh(self) -> None:
        """Hash what is not known."""
        self.fresh = [[] if self.nodes[0] else [self.frame]]
        self.fresh += [
            list(_links(self.body, section, len(nodes)))
            for section, nodes in zip(self.sections, self.nodes[1:], strict=True)
        ]

    def forget(self) -> None:
        """What was known does not hold any more."""
        self.nodes = [[] for _ in self.nodes]
        self.replaces = None
        self.find_fresh()

    @property
    def ends(self) -> list[int]:
        """The last of the places that are known, of the frame and of each section."""
        return [nodes[-1] for nodes in self.nodes if nodes]

    @property
    def growing(self) -> int | None:
        """Which section the conversation makes longer."""
        return next((number for number, section in enumerate(self.sections) if section.grows), None)


class Recent:
    """The bodies stored last, the youngest first; bounded."""

    def __init__(self) -> None:
        self._kept: list[Recipe] = []

    def recipe(self, body: bytes) -> Recipe | None:
        """How to store a body; None for one that stays whole."""
        if len(body) < cutting.MIN_BODY or not (body.startswith(b"{") or len(body) > cutting.MAX_PIECE):
            return None
        for sections_of in (_same_end, _other_end):
            for before in self._kept:
                made = _continued(body, before, sections_of)
                if made is not None:
                    return made
        sections = cutting.cut(body)
        if not sections and len(body) <= cutting.MAX_PIECE:
            return None
        around = len(body) - sum(end - start for section in sections for start, end in section.cores)
        if around > cutting.MAX_PIECE:
            sections = [Section(cutting.slices(0, len(body)), len(body), grows=False)]
        return _made(body, sections)

    def remember(self, recipe: Recipe) -> None:
        """Keep what was stored, in place of the turn before."""
        if recipe.growing is None:
            return
        replaced, recipe.replaces = recipe.replaces, None
        recipe.nodes, recipe.placed, recipe.fresh, recipe.packed = recipe.placed, [], [], {}
        self._kept = [recipe, *(each for each in self._kept if each is not replaced)][:_MAX_BODIES]
        while sum(len(each.body) for each in self._kept) > MAX_REMEMBERED:
            self._kept.pop()


_Sections = Callable[[bytes, Recipe, int, int], list[Section] | None]
"""The sections of a body of which so many pieces of a growing section are known; None when that cannot be."""


def _continued(body: bytes, before: Recipe, sections_of: _Sections) -> Recipe | None:
    """The recipe of a body that begins as the one before did; None when it does not."""
    growing = before.growing
    if growing is None:
        return None
    old = before.sections[growing]
    for back in _BACK:
        known = len(old.cores) - back + 1
        if known < 1:
            return None
        end = old.cores[known - 1][1]
        if body[end - _PROBE : end] != before.body[end - _PROBE : end] or not _begin_alike(body, before.body, end):
            continue
        sections = sections_of(body, before, growing, known)
        if sections is not None:
            return _with_known(body, sections, before, growing, known, same_end=sections_of is _same_end)
    return None


def _begin_alike(one: bytes, other: bytes, end: int) -> bool:
    """Whether both are the same up to `end`; in steps, because large copies cost more than comparing them."""
    return all(one.startswith(other[place : min(place + _STEP, end)], place) for place in range(0, end, _STEP))


def _same_end(body: bytes, before: Recipe, growing: int, known: int) -> list[Section] | None:
    """The sections of a body that also ends as the one before did."""
    old = before.sections[growing]
    rest = before.body[old.end :]
    start, end = old.cores[known - 1][1], len(body) - len(rest)
    if end < start or not body.endswith(rest):
        return None
    first = cutting.next_element(body, start, end)
    more = [] if first is None else cutting.added(body, first, end)
    if more is None or (end - start > cutting.MAX_GLUE and not more):
        return None
    grown = Section(old.cores[:known] + more, end, grows=True)
    behind = [section.moved(end - old.end) for section in before.sections[growing + 1 :]]
    return [*before.sections[:growing], grown, *behind]


def _other_end(body: bytes, before: Recipe, growing: int, known: int) -> list[Section] | None:
    """The sections of a body of which only the beginning is that of the one before."""
    old = before.sections[growing]
    first = cutting.next_element(body, old.cores[known - 1][1], len(body))
    sections = [] if first is None else cutting.beyond(body, first)
    if not sections:
        return None
    grown = Section(old.cores[:known] + sections[0].cores, sections[0].end, grows=True)
    return [*before.sections[:growing], grown, *sections[1:]]


def _made(body: bytes, sections: list[Section]) -> Recipe:
    recipe = Recipe(body, sections, [[] for _ in range(len(sections) + 1)])
    recipe.find_fresh()
    return recipe


def _with_known(
    body: bytes, sections: list[Section], before: Recipe, growing: int, known: int, *, same_end: bool
) -> Recipe:
    """The recipe, with the places of all sections that are the same as before.

    `same_end`: all behind the growing section is the same, and so is all before it.
    """
    recipe = Recipe(body, sections, [[]])
    if recipe.frame == before.frame:
        recipe.nodes = [list(before.nodes[0])]
    for number, section in enumerate(sections):
        nodes: list[int] = []
        if number == growing:
            nodes = before.nodes[number + 1][:known]
        elif same_end or (
            number < len(before.sections) and _spread(body, section) == _spread(before.body, before.sections[number])
        ):
            nodes = list(before.nodes[number + 1])
        recipe.nodes.append(nodes)
    recipe.find_fresh()
    others = [*recipe.fresh[: growing + 1], *recipe.fresh[growing + 2 :]]
    recipe.replaces = None if any(others) else before
    return recipe


def _links(body: bytes, section: Section, known: int) -> Iterator[Link]:
    """The pieces of a section behind those that are known."""
    place = section.cores[known - 1][1] if known else section.cores[0][0]
    for start, end in section.cores[known:]:
        core = body[start:end]
        yield Link(body[place:start], core, hashlib.sha256(core).digest())
        place = end


def _spread(body: bytes, section: Section) -> tuple[bytes, list[int]]:
    """What a section holds, wherever it stands."""
    start = section.cores[0][0]
    return body[start : section.cores[-1][1]], [place - start for core in section.cores for place in core]
