"""The table of all keys, read off the shape: what documents, variables, conversion and `config show` go by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import get_args, get_origin

from msgspec import NODEFAULT, Struct, inspect, structs

from proxy.settings.otlp import Otlp
from proxy.settings.shape import Settings

PREFIX = "ANTHROPIC_PROXY_"
NAME = "*"
"""In a key's path: a name that the operator chooses."""
KeyPath = tuple[str, ...]


@dataclass(frozen=True)
class Key:
    """One setting."""

    path: KeyPath
    hint: object
    """Its annotation: type, bounds, description."""
    default: object
    """None when there is none, or when it depends on other keys."""

    @property
    def dotted(self) -> str:
        """As documents write it: `upstreams.<name>.url`."""
        return ".".join("<name>" if part == NAME else part for part in self.path)

    @property
    def variable(self) -> str:
        """Its environment variable; `<NAME>` stands for the chosen name."""
        return PREFIX + "_".join("<NAME>" if part == NAME else part.upper() for part in self.path)

    @cached_property
    def _meta(self) -> inspect.Metadata:
        found = inspect.type_info(self.hint)
        return found if isinstance(found, inspect.Metadata) else inspect.Metadata(found)

    @property
    def kind(self) -> inspect.Type:
        """Its type without bounds and description."""
        return self._meta.type

    @property
    def description(self) -> str:
        """One sentence for people."""
        return str((self._meta.extra_json_schema or {}).get("description", ""))

    @property
    def unit(self) -> str | None:
        """`bytes` or `seconds` where it is a size or a duration."""
        return (self._meta.extra or {}).get("unit")

    @property
    def is_list(self) -> bool:
        """Whether it holds several texts."""
        return isinstance(self.kind, inspect.VarTupleType)

    @property
    def expectation(self) -> str:
        """What a value must be, to end a sentence that begins with "expected"."""
        return _expected(self.kind, self.unit)

    def fits(self, path: KeyPath) -> bool:
        """Whether a path of the settings is this key's."""
        return len(path) == len(self.path) and self.continues(path)

    def continues(self, path: KeyPath) -> bool:
        """Whether this key stands at or below a path."""
        return len(path) <= len(self.path) and all(
            own in (NAME, part) for own, part in zip(self.path, path, strict=False)
        )


def all_keys() -> tuple[Key, ...]:
    """Every key of the settings, in the order of the shape."""
    return tuple(_walk(Settings, ()))


def _walk(shape: type[Struct], path: KeyPath) -> Iterator[Key]:
    for found in structs.fields(shape):
        here = (*path, found.name)
        if found.type is Otlp:
            continue
        if isinstance(found.type, type) and issubclass(found.type, Struct):
            yield from _walk(found.type, here)
        elif get_origin(found.type) is dict:
            yield from _walk(get_args(found.type)[1], (*here, NAME))
        else:
            yield Key(here, found.type, None if found.default is NODEFAULT else found.default)


def _expected(kind: inspect.Type, unit: str | None) -> str:
    match kind:
        case inspect.UnionType(types=types):
            return _expected(next(option for option in types if not isinstance(option, inspect.NoneType)), unit)
        case inspect.LiteralType(values=values):
            return f"one of {', '.join(map(str, values))}"
        case inspect.IntType() if unit == "bytes":
            return 'a size above 0 such as "10GiB", or a whole number of bytes'
        case inspect.FloatType(gt=least):
            above = "" if least is None else " above 0"
            return f'a duration{above} such as "30s", "5m" or "7d", or a number of seconds'
        case inspect.IntType(ge=least, le=most):
            return f"a whole number from {least} to {most:,}"
        case inspect.BoolType():
            return "true or false"
        case inspect.VarTupleType():
            return "a list of texts"
        case inspect.CustomType():
            return "the path of a file or folder"
    return "a text"
