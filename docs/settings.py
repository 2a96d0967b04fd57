"""The table of settings, read off the shape that the settings have in the code."""

from __future__ import annotations

from itertools import groupby

from msgspec import inspect

from docs.regions import code, table
from proxy.settings.keys import Key, all_keys
from proxy.settings.units import duration_text, size_text

_HEAD = ("Key", "Type", "Unit", "Default", "Variable", "Meaning")


def settings() -> str:
    """One section for every table of the settings file."""
    groups = groupby(all_keys(), key=lambda key: key.dotted.rpartition(".")[0])
    return "\n\n".join(f"### {_heading(name)}\n\n{table(_HEAD, map(_row, keys))}" for name, keys in groups)


def _heading(name: str) -> str:
    return f"`[{name}]`" if name else "At the top of the file"


def _row(key: Key) -> tuple[str, ...]:
    name = key.path[-1]
    return code(name), _type(key), key.unit or "", _default(key), code(key.variable), key.description


def _type(key: Key) -> str:
    kind = key.kind
    if isinstance(kind, inspect.UnionType):
        kind = next(option for option in kind.types if not isinstance(option, inspect.NoneType))
    match kind:
        case inspect.LiteralType(values=values):
            return ", ".join(code(str(value)) for value in values)
        case inspect.IntType():
            return "size" if key.unit == "bytes" else "whole number"
        case inspect.FloatType():
            return "duration"
        case inspect.BoolType():
            return "true, false"
        case inspect.VarTupleType():
            return "list of texts"
        case inspect.CustomType():
            return "path"
    return "text"


def _default(key: Key) -> str:
    match key.default, key.unit:
        case None | "" | (), _:
            return "—"
        case bool(value), _:
            return code(str(value).lower())
        case int(value), "bytes":
            return code(size_text(value))
        case float(value), "seconds":
            return code(duration_text(value))
    return code(str(key.default))
