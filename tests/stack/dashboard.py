"""Evaluates a Grafana dashboard on real servers the way Grafana does: variables, panel queries, annotations.

What there is to evaluate is found by walking the dashboard's JSON. Rules of Grafana are taken from its sources:
`packages/grafana-prometheus/src/metric_find_query.ts` (text of `query_result`, time of evaluation) and
`packages/grafana-data/src/datetime/rangeutil.ts` (`roundInterval`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tests.stack.reading_back import Line, Series, Server

DASHBOARD = Path(__file__).parents[2] / "grafana" / "reference.json"
"""The reference dashboard, byte for byte."""

_MAX_DATA_POINTS = 1000
_MINIMUM_INTERVAL = {"prometheus": 15, "loki": 1}
"""Seconds: the data source's `timeInterval` in `grafana/provisioning`; one second where none is set."""
_DURATION = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_ROUND_INTERVALS = (
    # (below so many seconds, this interval): Grafana's table from one second up
    (1.5, 1), (3.5, 2), (7.5, 5), (12.5, 10), (17.5, 15), (25, 20), (45, 30), (90, 60), (210, 120), (450, 300),
    (750, 600), (1050, 900), (1500, 1200), (2700, 1800), (5400, 3600), (9000, 7200), (16200, 10800), (32400, 21600),
)  # fmt: skip


class DataSource(msgspec.Struct, frozen=True):
    """What a panel, target or annotation says about where it asks; `uid` is what counts."""

    type: str
    uid: str


class Target(msgspec.Struct, frozen=True, rename={"ref": "refId"}):
    """One query of a panel."""

    expr: str
    ref: str
    datasource: DataSource | None = None


class Panel(msgspec.Struct, frozen=True, rename={"time_from": "timeFrom"}):
    """A panel, or a row that holds panels."""

    title: str
    datasource: DataSource | None = None
    targets: tuple[Target, ...] = ()
    panels: tuple[Panel, ...] = ()
    time_from: str | None = None


class Annotation(msgspec.Struct, frozen=True, rename={"max_lines": "maxLines"}):
    """A log query whose lines are marked on the time axis."""

    name: str
    expr: str
    datasource: DataSource
    max_lines: int = 100


class Variable(msgspec.Struct, frozen=True):
    """A query variable; its value is the first group of the first line its regex finds."""

    name: str
    definition: str
    regex: str


class _Annotations(msgspec.Struct, frozen=True):
    list: tuple[Annotation, ...]


class _Templating(msgspec.Struct, frozen=True):
    list: tuple[Variable, ...]


class _Time(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    from_: str


class Dashboard(msgspec.Struct, frozen=True):
    """The parts of a dashboard that ask something."""

    panels: tuple[Panel, ...]
    annotations: _Annotations
    templating: _Templating
    time: _Time


@dataclass(frozen=True)
class Query:
    """A panel query as it goes to a server, every variable replaced."""

    panel: str
    ref: str
    source: str
    """uid of the data source."""
    expression: str
    start: float
    end: float
    step: int
    """Seconds between the points of a range query, and the value of `$__interval`."""


@dataclass(frozen=True)
class Answer:
    """What the server gave for a query, asked both ways."""

    query: Query
    instant: list[Series]
    range: list[Series]

    @property
    def has_data(self) -> bool:
        """Whether the panel shows a number: Grafana asks by range unless a target says `instant`."""
        return any(not math.isnan(one.last) for one in self.range)


@dataclass(frozen=True)
class Evaluation:
    """Everything the dashboard shows at one moment."""

    variables: dict[str, str]
    """Name to value; "" where the query or its regex found nothing."""
    answers: list[Answer]
    annotations: dict[str, list[Line]]

    def answer(self, panel: str, ref: str) -> Answer:
        """The answer for one target; LookupError if the dashboard has none or several of that name."""
        found = [one for one in self.answers if (one.query.panel, one.query.ref) == (panel, ref)]
        if len(found) != 1:
            raise LookupError(f"{len(found)} targets {ref} in panels {panel!r}")
        return found[0]


def load(text: bytes) -> Dashboard:
    """Reads a dashboard's JSON; raises msgspec.ValidationError where a part that asks is not understood."""
    return msgspec.json.decode(text, type=Dashboard)


def evaluate(dashboard: Dashboard, servers: Mapping[str, Server], now: float) -> Evaluation:
    """Asks everything for the dashboard's own time range ending at `now` (unix seconds); servers by uid."""
    variables = {one.name: _variable(one, servers["prometheus"], now) for one in dashboard.templating.list}
    since = now - _seconds(dashboard.time.from_.removeprefix("now-"))
    return Evaluation(
        variables=variables,
        answers=[_asked(query, servers) for query in _queries(dashboard, variables, since, now)],
        annotations={
            one.name: servers[one.datasource.uid].lines(one.expr, since, now, one.max_lines)
            for one in dashboard.annotations.list
        },
    )


def _variable(variable: Variable, server: Server, now: float) -> str:
    expression = re.fullmatch(r"query_result\((.+)\)", variable.definition)
    if expression is None:
        raise ValueError(f"variable {variable.name} is not a query_result: {variable.definition}")
    pattern = re.compile(variable.regex.removeprefix("/").removesuffix("/"))
    for series in server.instant(expression[1], math.ceil(now)):
        found = pattern.search(_query_result_text(series))
        if found is not None:
            return found[1]
    return ""


def _query_result_text(series: Series) -> str:
    labels = dict(series.labels)
    name = labels.pop("__name__", "")
    [(time, value)] = series.points
    inside = ",".join(f'{key}="{label}"' for key, label in labels.items())
    return f"{name}{{{inside}}} {value:.15g} {time * 1000:.15g}"


def _queries(dashboard: Dashboard, variables: Mapping[str, str], since: float, now: float) -> Iterator[Query]:
    for panel in _flat(dashboard.panels):
        own = panel.time_from
        start = since if own is None else now - _seconds(_replaced(own, variables))
        for target in panel.targets:
            source = target.datasource or panel.datasource
            if source is None:
                raise ValueError(f"panel {panel.title!r} has no data source")
            step = _interval(now - start, _MINIMUM_INTERVAL[source.uid])
            built_in = {"__interval": f"{step}s", "__range": f"{round(now - start)}s"}
            expression = _replaced(target.expr, {**variables, **built_in})
            yield Query(panel.title, target.ref, source.uid, expression, start, now, step)


def _flat(panels: tuple[Panel, ...]) -> Iterator[Panel]:
    for panel in panels:
        yield panel
        yield from _flat(panel.panels)


def _asked(query: Query, servers: Mapping[str, Server]) -> Answer:
    server = servers[query.source]
    return Answer(
        query=query,
        instant=server.instant(query.expression, query.end),
        range=server.range(query.expression, query.start, query.end, query.step),
    )


def _replaced(text: str, variables: Mapping[str, str]) -> str:
    """`$name` and `${name}` replaced; KeyError for a variable that is not known."""
    return re.sub(r"\$(?:\{(\w+)\}|(\w+))", lambda found: variables[found[1] or found[2]], text)


def _interval(seconds: float, minimum: int) -> int:
    wanted = max(seconds / _MAX_DATA_POINTS, minimum)
    return next((interval for below, interval in _ROUND_INTERVALS if wanted < below), 43200)


def _seconds(duration: str) -> int:
    return int(duration[:-1]) * _DURATION[duration[-1]]
