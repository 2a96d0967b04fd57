"""One given value becomes the value of its key, or a sentence that says what was expected."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from proxy.settings.errors import SettingsError
from proxy.settings.keys import Key
from proxy.settings.units import duration, size

_UNITS = {"bytes": size, "seconds": duration}
_LONGEST_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Given:
    """A value as somebody gave it."""

    value: object
    where: str
    """File and line, variable or flag."""
    folder: Path
    """What relative paths start from."""
    textual: bool = False
    """Everything is text where it comes from: numbers, and lists by comma."""


def as_path(kind: type, value: object) -> Path:
    """Decoding hook for the one type that msgspec does not know; raises ValueError for what is no path."""
    if kind is Path and isinstance(value, Path):
        return value
    if kind is Path and isinstance(value, str) and value and "\0" not in value:
        return Path(value)
    raise ValueError(f"expected {kind.__name__}")


def converted(given: Given, key: Key, dotted: str) -> object:
    """The value in the key's type. Raises SettingsError."""
    value = given.value
    if key.unit is not None:
        value = _UNITS[key.unit](value)
    elif given.textual and key.is_list:
        value = [part for part in map(str.strip, str(value).split(",")) if part]
    try:
        result: object = msgspec.convert(value, key.hint, strict=not given.textual, dec_hook=as_path)
        return given.folder / result.expanduser() if isinstance(result, Path) else result
    except (msgspec.ValidationError, RuntimeError) as error:  # the latter for the home of a user that does not exist
        problem = f"{dotted} = {shown(given.value)}: expected {key.expectation}"
        raise SettingsError(problem, where=given.where) from error


def shown(value: object) -> str:
    """The value for a message: as TOML would write it, cut where it is long."""
    text = str(value) if isinstance(value, float) else msgspec.json.encode(value, enc_hook=str).decode()
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
