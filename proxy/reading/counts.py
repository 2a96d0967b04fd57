"""Numbers in the `usage` objects of strangers: taken when they can be counts, a problem otherwise."""

from __future__ import annotations

from proxy.reading.jsontext import Json, compact
from proxy.reading.problems import Problems

MAX_COUNT = 10**12
"""Above this a count is an error of the sender, and sums over it would overflow."""
MAX_RAW_BYTES = 64 * 1024

Path = tuple[str, ...]


def count_at(frame: Json, path: Path, problems: Problems) -> int | None:
    """Return the token count at a path; None when there is none, which is a problem if something else stands there.

    Whole numbers written as floats are taken.
    """
    value = frame
    for name in path:
        value = value.get(name) if type(value) is dict else None
    if value is None or (type(value) is int and 0 <= value <= MAX_COUNT):
        return value
    if isinstance(value, float) and 0 <= value <= MAX_COUNT and value == int(value):
        return int(value)
    problems.note(f"usage.{'.'.join(path)} is not a count")
    return None


def raw_json(frame: dict[str, Json]) -> str | None:
    """Return a usage object as JSON; None for an empty one and for one that is too large to keep."""
    text = compact(frame) if frame else None
    return None if text is None or len(text) > MAX_RAW_BYTES else text
