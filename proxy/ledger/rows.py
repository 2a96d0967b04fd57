"""Records as rows of the ledger and back: column names are field names, the usage is flattened.

What SQLite cannot hold (integers beyond 63 bits, lone surrogates, values of another type) becomes unknown or is
replaced, so that no value can spoil a commit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import fields
from enum import StrEnum
from functools import lru_cache
from itertools import chain
from operator import attrgetter, itemgetter
from typing import NamedTuple, TypeVar, cast

from proxy.exchange import Attempt, Exchange, LimitReading, Outcome, Usage, UsageSource, WindowReading

Value = str | int | float | bytes | None
"""What SQLite stores."""

Record = TypeVar("Record", Attempt, WindowReading, LimitReading)

_LOWEST, _HIGHEST = -(2**63), 2**63 - 1
_PLAIN = {"int": int, "float": float, "str": str, "bool": bool}
_CLOSED: dict[str, type[StrEnum]] = {"Outcome": Outcome, "UsageSource": UsageSource}
_BLANK: dict[str, Value] = {"int": 0, "float": 0.0, "str": "", "bool": 0, "UsageSource": UsageSource.NONE.value}


class Column(NamedTuple):
    """One column: its name, the type of its values and whether they may be unknown."""

    name: str
    kind: str
    optional: bool


def columns_of(record: type) -> tuple[Column, ...]:
    """The columns of a record type, in the order of its fields; tuples are tables of their own."""
    return tuple(
        Column(each.name, str(each.type).split(" | ")[0], "None" in str(each.type))
        for each in fields(record)
        if each.name != "usage" and not str(each.type).startswith("tuple")
    )


_OWN = columns_of(Exchange)
_USAGE = columns_of(Usage)
EXCHANGE_COLUMNS = _OWN + _USAGE
ATTEMPT_COLUMNS = columns_of(Attempt)
WINDOW_COLUMNS = columns_of(WindowReading)
LIMIT_COLUMNS = columns_of(LimitReading)
_CHILDREN = {"Attempt": ATTEMPT_COLUMNS, "WindowReading": WINDOW_COLUMNS, "LimitReading": LIMIT_COLUMNS}
_COLUMNS = {"Exchange": EXCHANGE_COLUMNS, **_CHILDREN}
_READ: dict[str, Callable[[object], tuple[Value, ...]]] = {
    **{record: attrgetter(*(column.name for column in columns)) for record, columns in _CHILDREN.items()},
    "Exchange": attrgetter(*(column.name for column in _OWN), *(f"usage.{column.name}" for column in _USAGE)),
}
_STORED: dict[object, Value] = {False: 0, True: 1, **{each: each.value for each in (*Outcome, *UsageSource)}}
"""What stands in the ledger for what has a type of its own."""
_SHAPES = 512
"""Which fields are known differs from record to record, but there are not many ways."""


def names(columns: Sequence[Column], prefix: str = "") -> str:
    """The columns as SQL: quoted and separated by commas."""
    return ", ".join(f'{prefix}"{column.name}"' for column in columns)


def exchange_of(
    values: Sequence[Value],
    attempts: tuple[Attempt, ...] = (),
    windows: tuple[WindowReading, ...] = (),
    limits: tuple[LimitReading, ...] = (),
) -> Exchange:
    """The exchange whose row is `values`."""
    found = _restored(values, _RESTORED[Exchange])
    usage = Usage(*found[len(_OWN) :])  # type: ignore[arg-type]
    own = found[:_USAGE_PLACE], (usage,), found[_USAGE_PLACE : len(_OWN)], (attempts, windows, limits)
    return Exchange(*chain.from_iterable(own))  # type: ignore[arg-type]


def record_of(record: type[Record], values: Sequence[Value]) -> Record:
    """The attempt or reading whose row is `values`."""
    return record(*_restored(values, _RESTORED[record]))  # type: ignore[arg-type]


def row(record: Exchange | Attempt | WindowReading | LimitReading) -> tuple[list[Value], bool]:
    """The values of a record's columns, and whether each could be kept as it was."""
    name = type(record).__name__
    given = _READ[name](record)
    shape = _shape(name, tuple(map(type, given)))
    if shape is None or not shape.holds(given):
        return _each(_COLUMNS[name], given)
    values = list(given)
    for place in shape.converted:
        values[place] = _STORED[given[place]]
    return values, True


def text(value: str) -> str:
    """`value` with lone surrogates replaced, which UTF-8 cannot hold."""
    if value.isascii():
        return value
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return value


_Taken = Callable[[Sequence[Value]], Sequence[Value]]


class _Shape(NamedTuple):
    """What is to be looked at in rows with values of the right types: all texts at once, and all numbers."""

    texts: _Taken
    integers: _Taken
    floats: _Taken
    converted: Sequence[int]

    def holds(self, given: Sequence[Value]) -> bool:
        """Whether SQLite can hold all of them as they are; when in doubt not."""
        integers = self.integers(given)
        return (
            "".join(self.texts(given)).isascii()  # type: ignore[arg-type]
            and (not integers or (min(integers) >= _LOWEST and max(integers) <= _HIGHEST))  # type: ignore[type-var, operator]
            and math.isfinite(sum(self.floats(given)))  # type: ignore[arg-type]
        )


@lru_cache(_SHAPES)
def _shape(record: str, types: tuple[type, ...]) -> _Shape | None:
    """The shape of rows with values of these types; None when they are not those of the columns."""
    places: dict[type, list[int]] = {str: [], int: [], float: []}
    converted: list[int] = []
    for place, (column, kind) in enumerate(zip(_COLUMNS[record], types, strict=True)):
        if kind is type(None) and column.optional:
            continue
        if kind is not _PLAIN.get(column.kind, _CLOSED.get(column.kind)):
            return None
        places.get(kind, converted).append(place)
    return _Shape(_some(places[str]), _some(places[int]), _some(places[float]), converted)


def _some(places: Sequence[int]) -> _Taken:
    """What takes the values at these places."""
    return itemgetter(*places) if len(places) > 1 else lambda given: [given[place] for place in places]


def _each(columns: Sequence[Column], given: Sequence[object]) -> tuple[list[Value], bool]:
    """The values one by one, with what becomes of those that SQLite cannot hold."""
    intact = True
    values: list[Value] = []
    for (_, kind, optional), one in zip(columns, given, strict=True):
        value: object = one
        if one is not None or not optional:
            value = _stored(kind, one)
            if value is None:
                intact = False
                value = None if optional else _BLANK.get(kind)
            elif value is not one and value != one:
                intact = False
        values.append(cast(Value, value))
    return values, intact


def _stored(kind: str, value: object) -> Value:
    """`value` as SQLite holds it; None when it cannot."""
    if kind == "str":
        return text(value) if isinstance(value, str) else None
    if kind == "bool":
        return int(value) if isinstance(value, bool) else None
    if kind == "int":
        return int(value) if isinstance(value, int) and _LOWEST <= value <= _HIGHEST else None
    if kind == "float":
        return _float(value)
    return value.value if isinstance(value, _CLOSED[kind]) else None


def _float(value: object) -> float | None:
    if not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _restored(values: Sequence[Value], restorers: Sequence[tuple[int, Callable[[Value], object]]]) -> list[object]:
    """Values as the fields have them: few columns are stored as something else."""
    found: list[object] = list(values)
    for place, restore in restorers:
        if values[place] is not None:
            found[place] = restore(values[place])
    return found


def _restorers(columns: Sequence[Column]) -> tuple[tuple[int, Callable[[Value], object]], ...]:
    kinds: dict[str, Callable[[Value], object]] = {"bool": bool, **_CLOSED}
    return tuple((place, kinds[column.kind]) for place, column in enumerate(columns) if column.kind in kinds)


_RESTORED: dict[type, Sequence[tuple[int, Callable[[Value], object]]]] = {
    Exchange: _restorers(EXCHANGE_COLUMNS),
    Attempt: _restorers(ATTEMPT_COLUMNS),
    WindowReading: _restorers(WINDOW_COLUMNS),
    LimitReading: _restorers(LIMIT_COLUMNS),
}
_USAGE_PLACE = [each.name for each in fields(Exchange)].index("usage")
