"""Asks for the options of variables, in the order in which the dashboard lists them.

Sources: `packages/grafana-prometheus/src/metric_find_query.ts` and `metricNamesToVariableValues` of grafana/scenes
(`variables/variants/query/utils.ts`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from tests.stack.grafana.interpolation import Value, interpolated, value_of
from tests.stack.grafana.intervals import written
from tests.stack.grafana.shape import Variable
from tests.stack.reading_back import Series, Server

_LABEL_VALUES = re.compile(r"label_values\((?:(.+),\s*)?([a-zA-Z_][a-zA-Z0-9_]*)\)\s*")
_QUERY_RESULT = re.compile(r"query_result\((.+)\)\s*", re.DOTALL)
_PROMETHEUS_INTERVAL_MS = 15_000


@dataclass(frozen=True)
class Span:
    """The time range a dashboard shows, unix seconds."""

    start: float
    end: float

    @property
    def milliseconds(self) -> float:
        """Its length."""
        return (self.end - self.start) * 1000

    @property
    def built_in(self) -> dict[str, Value]:
        """Variables that are known from the time range alone."""
        seconds = round(self.end - self.start)
        known = {
            "__range": f"{seconds}s",
            "__range_s": str(seconds),
            "__range_ms": str(round(self.milliseconds)),
            "__from": str(round(self.start * 1000)),
            "__to": str(round(self.end * 1000)),
        }
        return {name: Value(value, literal=True) for name, value in known.items()}


def values(
    variables: Iterable[Variable],
    servers: Mapping[str, Server],
    span: Span,
    chosen: Mapping[str, tuple[str, ...]],
) -> dict[str, Value]:
    """What every variable stands for; `chosen` are selections by the user. Raises QueryRefusedError."""
    found: dict[str, Value] = {}
    for variable in variables:
        offered = _options(variable, servers, span, found)
        value = value_of(variable, offered, chosen.get(variable.name))
        found[variable.name] = replace(value, offered=offered)
    return found


def uid_of(reference: str, known: Mapping[str, Value]) -> str:
    """The uid of a data source that may be given by a variable."""
    return interpolated(reference, known, "")


def _options(
    variable: Variable, servers: Mapping[str, Server], span: Span, known: Mapping[str, Value]
) -> tuple[str, ...]:
    expression, current = variable.expression, variable.current.value
    if variable.type == "query":
        return _asked(variable, servers, span, known)
    if variable.type == "custom":
        return tuple(one.split(" : ")[-1].strip() for one in expression.split(","))
    if variable.type == "datasource":
        return (current,) if isinstance(current, str) else current
    if variable.type == "textbox":
        return (current if isinstance(current, str) and current else expression,)
    if variable.type == "constant":
        return (expression,)
    raise ValueError(f"variable {variable.name} is of type {variable.type}, which is not understood here")


def _asked(
    variable: Variable, servers: Mapping[str, Server], span: Span, known: Mapping[str, Value]
) -> tuple[str, ...]:
    if variable.datasource is None:
        raise ValueError(f"variable {variable.name} has no data source")
    uid = uid_of(variable.datasource.uid, known)
    interval = {"__interval": Value(written(_PROMETHEUS_INTERVAL_MS), literal=True)}
    expression = interpolated(variable.expression, {**known, **span.built_in, **interval}, uid)
    server, end = servers[uid], math.ceil(span.end)
    if found := _LABEL_VALUES.fullmatch(expression):
        texts = server.label_values(found[2], found[1], math.floor(span.start), end)
    elif found := _QUERY_RESULT.fullmatch(expression):
        texts = [_text(series) for series in server.instant(found[1], end)]
    else:
        raise ValueError(f"variable {variable.name} asks {expression}, which is not understood here")
    return tuple(dict.fromkeys(_picked(texts, variable.regex)))


def _text(series: Series) -> str:
    """How Grafana writes a series, for the variable's regex."""
    labels = dict(series.labels)
    name = labels.pop("__name__", "")
    [(time, value)] = series.points
    inside = ",".join(f'{key}="{label}"' for key, label in labels.items())
    return f"{name}{{{inside}}} {value:.15g} {time * 1000:.15g}"


def _picked(texts: Iterable[str], regex: str) -> Iterable[str]:
    """The first group of the regex in each text, or the whole text; texts in which it is not are left out."""
    pattern = re.compile(regex.removeprefix("/").removesuffix("/"))
    for text in texts:
        found = pattern.search(text)
        if found is not None:
            yield found[1] if pattern.groups else text
