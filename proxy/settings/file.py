"""The settings file: TOML, read whole, with the line of every key for messages."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from proxy.settings.errors import READABLE, SettingsError
from proxy.settings.keys import KeyPath

DEFAULT_NAME = "anthropic-proxy.toml"
"""Read from the working folder if it is there and no other file is named."""

_MOST_BYTES = 256 * 1024
_PLACE = re.compile(r"\(at (?:line (\d+), column \d+|end of document)\)")


def read(path: Path, *, shown: Path) -> str:
    """The text of the file, called `shown` in messages. Raises SettingsError."""
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise SettingsError("is larger than 256 KiB; name a settings file", where=str(shown))
        return data.decode()
    except OSError as error:
        raise SettingsError(f"cannot be read ({error.strerror}); {READABLE}", where=str(shown)) from error
    except UnicodeDecodeError as error:
        raise SettingsError("is not UTF-8 text; save it as UTF-8", where=str(shown)) from error


def parse(text: str, path: Path) -> dict[str, object]:
    """The tables of the file. Raises SettingsError with the line of the first mistake."""
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        found = _PLACE.search(str(error))
        line = found[1] if found and found[1] else str(max(1, len(text.splitlines())))
        reason = _PLACE.sub("", str(error)).strip() if found else "nested too deeply"
        raise SettingsError(f"this is not TOML ({reason}); mend the line", where=f"{path}:{line}") from error


def lines(text: str) -> dict[KeyPath, int]:
    """Where each table and key of a valid file begins, counted from 1.

    A statement is the shortest run of lines that parses by itself under its table's header.
    """
    header, begun, found = "", 1, dict[KeyPath, int]()
    statement: list[str] = []
    for number, line in enumerate(text.split("\n"), start=1):
        begun = begun if statement else number
        statement.append(line)
        whole = "\n".join(statement)
        tables = _tables(whole if _is_header(whole) else f"{header}\n{whole}")
        if tables is None:
            continue
        if _is_header(whole):
            header = whole
        for key in _paths(tables, ()):
            found.setdefault(key, begun)
        statement = []
    return found


def _is_header(statement: str) -> bool:
    return statement.lstrip().startswith("[")


def _tables(text: str) -> dict[str, object] | None:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None


def _paths(value: object, path: KeyPath) -> Iterator[KeyPath]:
    if path:
        yield path
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _paths(inner, (*path, name))
