"""An object put together from the deltas of a stream: texts are joined, numbered list elements grow in place."""

from __future__ import annotations

from proxy.reading.jsontext import Json

MAX_DEPTH = 6
"""Beyond this nesting a value is kept as it came last."""
_WHOLE = frozenset({"id", "name", "object", "role", "type"})
"""Texts that are sent whole, by some servers in every delta."""


class Grown:
    """One object under way."""

    def __init__(self, depth: int = MAX_DEPTH) -> None:
        self._depth = depth
        self._values: dict[str, Json] = {}
        self._texts: dict[str, list[str]] = {}
        self._objects: dict[str, Grown] = {}
        self._lists: dict[str, _List] = {}

    def add(self, delta: dict[str, Json]) -> None:
        """Take one delta; null and "" take nothing away."""
        for name, value in delta.items():
            if value is None:
                self._values.setdefault(name, None)
            elif isinstance(value, str) and name not in _WHOLE:
                self._texts.setdefault(name, []).append(value)
            elif isinstance(value, dict) and self._depth:
                self._objects.setdefault(name, Grown(self._depth - 1)).add(value)
            elif isinstance(value, list) and self._depth:
                self._lists.setdefault(name, _List(self._depth - 1)).add(value)
            elif value != "" or name not in self._values:
                self._values[name] = value

    def value(self) -> dict[str, Json]:
        """Return the object so far."""
        grown: dict[str, Json] = {name: "".join(pieces) for name, pieces in self._texts.items()}
        grown |= {name: part.value() for name, part in self._objects.items()}
        grown |= {name: part.value() for name, part in self._lists.items()}
        return self._values | grown


class _List:
    """A list under way: elements with the same `index` are one, others come one after the other."""

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._numbered: dict[int, Grown] = {}
        self._others: list[Json] = []

    def add(self, elements: list[Json]) -> None:
        for element in elements:
            index = element.get("index") if isinstance(element, dict) else None
            if isinstance(element, dict) and isinstance(index, int):
                said = {name: value for name, value in element.items() if name != "index"}
                self._numbered.setdefault(index, Grown(self._depth)).add(said)
            else:
                self._others.append(element)

    def value(self) -> list[Json]:
        return [*(self._numbered[index].value() for index in sorted(self._numbered)), *self._others]
