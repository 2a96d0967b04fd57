"""JSON as strangers send it: parsed, or refused with a reason in a few words, whatever the bytes are."""

from __future__ import annotations

import re
from typing import TypeAlias, TypeVar, cast

import msgspec

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"
Shape = TypeVar("Shape")

_ANYTHING = cast("type[Json]", object)
_BOM = b"\xef\xbb\xbf"
_BEGINNINGS = b'{["-0123456789tfn'
"""What a JSON text can begin with."""
_DENSE_BYTES_PER_OBJECT = 16
"""Bodies that consist of empty objects would take ten times their size; real ones have over 40 bytes per brace."""
_COUNTED_BYTES = 1024 * 1024
_LONE_SURROGATE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])"
    rb"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)


class Unreadable(ValueError):
    """These bytes cannot be read as the JSON that was expected; the text says why."""

    def __init__(self, reason: str, *, cut: bool = False) -> None:
        super().__init__(reason)
        self.cut = cut
        """Whether the bytes are the beginning of a JSON text, or nothing at all."""


def dense(data: bytes, above: int) -> bool:
    """Whether a text of more than `above` bytes opens so many objects that it should not be read.

    Counted in pieces: one count of a large text would keep the interpreter's lock from everybody for 10 ms.
    """
    if len(data) <= above:
        return False
    count = sum(data.count(b"{", at, at + _COUNTED_BYTES) for at in range(0, len(data), _COUNTED_BYTES))
    return count * _DENSE_BYTES_PER_OBJECT > len(data)


def parse(data: bytes) -> Json:
    """Return the value of a JSON text; of duplicate keys the last one counts.

    Half surrogate pairs and invalid UTF-8 become U+FFFD. Raises Unreadable for everything else that is not JSON,
    for NaN, for numbers that no float or 64-bit integer holds and for nesting beyond the interpreter's limit.
    """
    return shaped(data, _ANYTHING)


def shaped(data: bytes | msgspec.Raw, shape: type[Shape]) -> Shape:
    """Return the part of a JSON text that a msgspec type asks for; raises Unreadable as `parse` does."""
    try:
        return msgspec.json.decode(data, type=shape)
    except msgspec.ValidationError as error:
        raise _unreadable(error) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return _second_look(bytes(data), shape, error)
    except RecursionError as error:
        raise Unreadable("nested too deeply") from error


def compact(value: Json) -> str | None:
    """Return a value as JSON without spaces; None when it is nested too deeply to be written."""
    try:
        return msgspec.json.encode(value).decode()
    except RecursionError:
        return None


def _second_look(data: bytes, shape: type[Shape], first: Exception) -> Shape:
    """Read what senders get wrong most: a byte order mark, half an emoji, bytes of another encoding."""
    begun = data.removeprefix(_BOM)[:64].lstrip()
    if begun and begun[0] not in _BEGINNINGS:
        # Repairing megabytes that are no text at all would take longer than all the rest of a request.
        raise _unreadable(first) from first
    text = data.removeprefix(_BOM).decode("utf-8", "replace").encode()
    repaired = _LONE_SURROGATE.sub(rb"\\ufffd", text)
    if not repaired.strip():
        raise Unreadable("empty", cut=True)
    if repaired == data:
        raise _unreadable(first) from first
    try:
        return msgspec.json.decode(repaired, type=shape)
    except msgspec.MsgspecError as error:
        raise _unreadable(error) from error
    except RecursionError as error:
        raise Unreadable("nested too deeply") from error


def _unreadable(error: Exception) -> Unreadable:
    return Unreadable(f"not readable as JSON: {error}"[:200], cut="truncated" in str(error))
