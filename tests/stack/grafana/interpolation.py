"""Puts values of variables into queries, each data source's way.

Sources: VARIABLE_REGEX and CustomAllValue of grafana/scenes (`variables/constants.ts`, `MultiValueVariable.ts`),
`packages/grafana-prometheus/src/escaping.ts`, `interpolateQueryExpr` of the Loki data source, `formatRegistry.ts`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from tests.stack.grafana.shape import Variable

ALL = "$__all"
_REFERENCE = re.compile(r"\$(\w+)|\[\[(\w+?)(?::(\w+))?\]\]|\$\{(\w+)(?:\.([^:^}]+))?(?::([^}]+))?\}")
_META = re.compile(r"[$^*{}\[\]+?.()|]")


@dataclass(frozen=True)
class Value:
    """What a variable stands for."""

    selected: str | tuple[str, ...]
    escaped: bool = False
    """Whether it may be put into a regular expression of a query: variables with several values or All."""
    literal: bool = False
    """A custom value of All, which nothing is done to."""
    offered: tuple[str, ...] = ()
    """What can be selected."""


def value_of(variable: Variable, options: tuple[str, ...], chosen: tuple[str, ...] | None = None) -> Value:
    """What the variable stands for when the user has chosen so, else what the dashboard selects at first.

    A selection that is not offered gives way to the first option, but what an address names stays.
    """
    current = variable.current.value
    selected = chosen if chosen is not None else (current,) if isinstance(current, str) else current
    escaped = variable.multi or variable.include_all
    if ALL in selected or (not options and variable.include_all and chosen is None):
        if variable.all_value:
            return Value(variable.all_value, literal=True)
        return Value(options, escaped)
    if chosen is None:
        selected = tuple(one for one in selected if one in options) or options[:1]
    if variable.multi:
        return Value(selected, escaped)
    return Value(selected[0] if selected else "", escaped)


def interpolated(text: str, values: Mapping[str, Value], source: str) -> str:
    """The text with every variable replaced as the data source (`prometheus`, `loki`, …) wants it.

    Raises LookupError for a variable or format that is not known: Grafana would send it as it stands.
    """

    def replaced(found: re.Match[str]) -> str:
        name, chosen_format = found[1] or found[2] or found[4], found[3] or found[6]
        if name not in values:
            raise LookupError(f"no variable {name!r} in {text!r}")
        value = values[name]
        if value.literal:
            return str(value.selected)
        formatter = _FORMATS[chosen_format] if chosen_format else _OF_SOURCE.get(source, _glob)
        return formatter(value)

    return _REFERENCE.sub(replaced, text)


def references(text: str) -> Iterator[tuple[str, str | None]]:
    """Name of every variable that a text refers to, and the path of the part it wants: `${__field.labels.model}`."""
    return ((found[1] or found[2] or found[4], found[5]) for found in _REFERENCE.finditer(text))


def _prometheus(value: Value) -> str:
    if not value.escaped:
        return _mapped(value, lambda one: one.replace("\\", "\\\\").replace("'", "\\\\'"))[0]
    parts = _mapped(value, _escaped_for_a_quoted_regex)
    return parts[0] if len(parts) == 1 else f"({'|'.join(parts)})"


def _loki(value: Value) -> str:
    return "|".join(_mapped(value, _escaped_for_a_quoted_regex if value.escaped else str))


def _glob(value: Value) -> str:
    parts = _mapped(value, str)
    return parts[0] if len(parts) == 1 else f"{{{','.join(parts)}}}"


def _regex(value: Value) -> str:
    parts = _mapped(value, lambda one: re.sub(r"[-[\]{}()*+!<=:?./\\^$|#,]", r"\\\g<0>", one))
    return parts[0] if len(parts) == 1 else f"({'|'.join(parts)})"


def _escaped_for_a_quoted_regex(text: str) -> str:
    return _META.sub(r"\\\\\g<0>", text.replace("\\", "\\\\\\\\"))


def _mapped(value: Value, change: Callable[[str], str]) -> list[str]:
    selected = (value.selected,) if isinstance(value.selected, str) else value.selected
    return [change(one) for one in selected]


_OF_SOURCE = {"prometheus": _prometheus, "loki": _loki}
_FORMATS: dict[str, Callable[[Value], str]] = {
    "csv": lambda value: ",".join(_mapped(value, str)),
    "doublequote": lambda value: ",".join(_mapped(value, lambda one: '"' + one.replace('"', '\\"') + '"')),
    "glob": _glob,
    "pipe": lambda value: "|".join(_mapped(value, str)),
    "raw": lambda value: ",".join(_mapped(value, str)),
    "regex": _regex,
}
