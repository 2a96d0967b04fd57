"""The messages of a prompt by their places: where the next turn goes on, only what is new is read."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate, chain
from typing import NamedTuple

import msgspec

from proxy.reading.jsontext import Unreadable, shaped

_IMAGES = frozenset({"image", "image_url", "input_image"})
"""Block types of images, in all dialects."""
_HEAD = 64
"""Bytes by which the beginning of the list is found."""
_SEPARATOR = re.compile(rb"[\s,]*")


class Conversation(NamedTuple):
    """The list of messages within a body."""

    ends: Sequence[int] = ()
    """Where each message ends."""
    images: Sequence[int] = ()
    """How many images there are up to the end of each."""
    close: int = 0
    """Where the list is closed."""


class Block(msgspec.Struct, gc=False):
    """A block of content."""

    type: str = ""
    content: msgspec.Raw = msgspec.Raw()


class Message(msgspec.Struct, gc=False):
    """A message, or an input item, of usual shape; a tool's output may hold images too."""

    content: str | list[Block] | None = None
    output: str | list[Block] | None = None


class _Lists(msgspec.Struct):
    messages: msgspec.Raw = msgspec.Raw()
    input: msgspec.Raw = msgspec.Raw()


def images_in(messages: Sequence[Message]) -> int:
    """How many image blocks there are, those inside tool results included."""
    lists = [part for one in messages for part in (one.content, one.output) if type(part) is list]
    if not lists:
        return 0
    blocks: list[Block] = list(chain.from_iterable(lists))
    return sum([(block.type in _IMAGES) + images(block.content, 0) for block in blocks])


def images(content: msgspec.Raw, depth: int = 1) -> int:
    """How many image blocks are in some content, and in the blocks inside it down to `depth`."""
    if bytes(memoryview(content)[:1]) != b"[":
        return 0
    try:
        blocks = shaped(content, list[Block])
    except Unreadable:
        return 0
    inside = sum(images(block.content, depth - 1) for block in blocks) if depth else 0
    return inside + sum(block.type in _IMAGES for block in blocks)


def laid_out(body: bytes) -> Conversation:
    """The messages of a body of usual shape; none when their place is not beyond doubt."""
    try:
        lists = msgspec.json.decode(body, type=_Lists)
        value = bytes(lists.input) or bytes(lists.messages)
        start = body.find(value[:_HEAD])
        if len(value) < _HEAD or body.find(value[:_HEAD], start + 1) >= 0:
            return Conversation()
        return _read(body, Conversation((), (), start + 1), start + len(value) - 1)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Conversation()


def continued(before: Conversation, body: bytes, same: int, close: int) -> Conversation | None:
    """The messages of a body that begins as one before did, and in which they are closed at `close`.

    Only what follows the last message that ends within the `same` bytes is read. None when that is not usual.
    """
    known = bisect_right(before.ends, same)
    if not known:
        return None
    try:
        return _read(body, Conversation(before.ends[:known], before.images[:known]), close)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _read(body: bytes, known: Conversation, close: int) -> Conversation:
    """What is known and what follows it; `known.close` is where the list begins when nothing is known of it."""
    place = known.ends[-1] if known.ends else known.close
    text = (b"[{}" if known.ends else b"[") + body[place:close] + b"]"
    skipped = 1 if known.ends else 0
    messages = msgspec.json.decode(text, type=list[Message])[skipped:]
    elements = msgspec.json.decode(text, type=list[msgspec.Raw])[skipped:]
    counts = accumulate((images_in([each]) for each in messages), initial=known.images[-1] if known.images else 0)
    next(counts)
    return Conversation([*known.ends, *_ends(body, place, elements)], [*known.images, *counts], close)


def _ends(body: bytes, place: int, elements: Sequence[msgspec.Raw]) -> Iterator[int]:
    for element in elements:
        separator = _SEPARATOR.match(body, place)
        place = (place if separator is None else separator.end()) + memoryview(element).nbytes
        yield place
