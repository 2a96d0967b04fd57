"""Sizes and durations as people write them: `10GiB`, `500ms`, `7d`."""

from __future__ import annotations

import re

_AMOUNT = re.compile(r"(\d{1,16}(?:\.\d{1,9})?)\s*([A-Za-z]*)")
_BYTES = {
    "": 1,
    "B": 1,
    "kB": 1000,
    "KB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "TB": 1000**4,
    "KiB": 1024,
    "MiB": 1024**2,
    "GiB": 1024**3,
    "TiB": 1024**4,
}
_SECONDS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}


def size(value: object) -> int | None:
    """Bytes of `10GiB`, `64 kB` or a plain number; None if it is no size."""
    amount = _amount(value, _BYTES)
    return None if amount is None or amount != int(amount) else int(amount)


def duration(value: object) -> float | None:
    """Seconds of `7d`, `500ms` or a plain number; None if it is no duration."""
    return _amount(value, _SECONDS)


def size_text(value: int) -> str:
    """The shortest exact spelling: 10737418240 is `10GiB`."""
    return _spelled(value, {unit: _BYTES[unit] for unit in ("TiB", "GiB", "MiB", "KiB")}, "B")


def duration_text(value: float) -> str:
    """The shortest exact spelling: 604800.0 is `7d`."""
    return _spelled(value, {unit: _SECONDS[unit] for unit in ("d", "h", "m")}, "s")


def _amount(value: object, units: dict[str, int] | dict[str, float]) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    found = _AMOUNT.fullmatch(str(value).strip())
    if found is None or found[2] not in units:
        return None
    return float(found[1]) * units[found[2]]


def _spelled(value: float, units: dict[str, int] | dict[str, float], smallest: str) -> str:
    for unit, worth in units.items():
        if value and value % worth == 0:
            return f"{value // worth:.0f}{unit}"
    whole, _, fraction = f"{value:.9f}".partition(".")
    return ".".join(filter(None, (whole, fraction.rstrip("0")))) + smallest
