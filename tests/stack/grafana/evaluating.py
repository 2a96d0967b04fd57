"""Evaluates a dashboard: variables, then all queries of panels and annotations.

Sources: `pkg/promlib/models/query.go` (built-in variables, `AlignTimeRange`), `pkg/tsdb/loki/parse_query.go`,
`packages/grafana-prometheus/src/datasource.ts`, the Loki data source's `annotationQuery`, and `describeTextRange` of
`packages/grafana-data/src/datetime/rangeutil.ts`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

from tests.stack.grafana.interpolation import Value, interpolated
from tests.stack.grafana.intervals import milliseconds, rate_interval, step, written
from tests.stack.grafana.shape import Annotation, Dashboard, DataSource, Panel, Target
from tests.stack.grafana.variables import Span, uid_of, values
from tests.stack.reading_back import Found, Line, QueryRefusedError, Series, Server

_POINTS = 1_000
"""As many as a panel is wide, in pixels."""
_POINTS_OF_ANNOTATION = 100
_AT_ONCE = 4
"""Queries under way, as of a browser that loads a dashboard."""
_LEAST_STEP_MS = {"prometheus": 15_000, "loki": 1}
"""The data source's `timeInterval` in `grafana/provisioning`; a millisecond where none is set."""
_ANNOTATION_STEP = "60s"
_MOST_LINES = 1_000
"""`maxLines` of the data source."""
_HOUR_S, _DAY_S = 3_600, 86_400
_MIXED, _ELSEWHERE = "-- Mixed --", ("-- Dashboard --", "-- Grafana --", "__expr__")
"""Pseudo data sources: the first leaves it to the targets, the others ask no server."""


@dataclass(frozen=True)
class Query:
    """A query as it goes to a server, every variable replaced."""

    panel: Panel | None
    """None for annotations."""
    target: Target
    source: str
    """uid of the data source."""
    expression: str
    span: Span
    step_ms: int
    """Between the points of a range query, and the value of `$__interval`."""
    is_instant: bool

    def __str__(self) -> str:
        where = "annotation" if self.panel is None else self.panel.title
        return f"{where} / {self.target.ref_id}: {self.expression}"


@dataclass(frozen=True)
class Answer:
    """What the server gave for a query."""

    query: Query
    found: Found
    refused: str | None = None
    """The server's own words if it did not accept the query."""

    @property
    def series(self) -> list[Series]:
        """Its numbers."""
        return self.found.series

    @property
    def lines(self) -> list[Line]:
        """Its log lines."""
        return self.found.lines

    @property
    def has_data(self) -> bool:
        """Whether there is something to show."""
        return bool(self.lines) or any(not math.isnan(one.last) for one in self.series)


@dataclass(frozen=True)
class Evaluation:
    """Everything the dashboard shows at one moment."""

    dashboard: Dashboard
    values: dict[str, Value]
    answers: list[Answer]
    """Of panels, in their order."""
    annotations: dict[str, Answer]
    unasked: list[Query]
    """Queries to data sources for which there is no server here."""

    @property
    def every_answer(self) -> list[Answer]:
        """Of panels and annotations."""
        return [*self.answers, *self.annotations.values()]

    def answer(self, panel: str, ref_id: str) -> Answer:
        """The answer for one target; LookupError if the dashboard has none or several of that name."""
        found = [one for one in self.answers if _title(one.query) == panel and one.query.target.ref_id == ref_id]
        if len(found) != 1:
            raise LookupError(f"{len(found)} targets {ref_id} in panels {panel!r}")
        return found[0]

    def value(self, variable: str) -> str:
        """The one value of a variable."""
        selected = self.values[variable].selected
        if not isinstance(selected, str):
            raise LookupError(f"{variable} has {len(selected)} values")
        return selected


def evaluate(
    dashboard: Dashboard,
    servers: Mapping[str, Server],
    now: float,
    chosen: Mapping[str, tuple[str, ...]] | None = None,
) -> Evaluation:
    """Asks everything for the dashboard's own time range ending at `now` (unix seconds); servers by uid.

    `chosen` are values of variables that a user has selected. Raises QueryRefusedError for a variable's query.
    """
    span = Span(_beginning(dashboard.time.since, now), now)
    found = values(dashboard.templating.list, servers, span, chosen or {})
    asked = list(queries(dashboard, found, span))
    marks = [one for one in dashboard.annotations.list if one.enable and not one.built_in]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        answer = partial(_answer, servers=servers)
        answers = pool.map(answer, [query for query in asked if query.source in servers])
        annotations = pool.map(answer, [_annotation_query(one, found, span) for one in marks])
        return Evaluation(
            dashboard=dashboard,
            values=found,
            answers=list(answers),
            annotations={mark.name: one for mark, one in zip(marks, annotations, strict=True)},
            unasked=[query for query in asked if query.source not in servers],
        )


def queries(dashboard: Dashboard, known: Mapping[str, Value], span: Span) -> Iterator[Query]:
    """The queries of all panels. Raises ValueError for what is not understood here."""
    for panel in dashboard.all_panels:
        if panel.repeat is not None:
            raise ValueError(f"panel {panel.title!r} is repeated, which is not understood here")
        own = interpolated(panel.time_from or "", known, "")
        shown = Span(_beginning(own, span.end), span.end) if own else span
        for target in panel.targets:
            uid = uid_of((target.datasource or panel.datasource or DataSource()).uid, known)
            if uid in ("", _MIXED):
                raise ValueError(f"panel {panel.title!r} has no data source")
            if not target.hide and uid not in _ELSEWHERE:
                points = panel.max_data_points or _POINTS
                yield _query(panel, target, uid, target.interval or panel.interval or "", points, known, shown)


def _beginning(text: str, now: float) -> float:
    """Of a range that ends now: `now-6h`, the same as `6h`; or `now/d`, midnight where the browser is.

    That is taken to be where the day began at least an hour ago.
    """
    if text == "now/d":
        return now - _HOUR_S - (now - _HOUR_S) % _DAY_S
    return now - milliseconds(text.removeprefix("now-")) / 1000


def _annotation_query(annotation: Annotation, known: Mapping[str, Value], span: Span) -> Query:
    uid = uid_of(annotation.datasource.uid, known)
    expression = annotation.expr or (annotation.target.expr if annotation.target else "")
    target = Target(annotation.name, expression, max_lines=annotation.max_lines)
    least = (annotation.step or _ANNOTATION_STEP) if uid == "prometheus" else ""
    return _query(None, target, uid, least, _POINTS_OF_ANNOTATION, known, span)


def _query(
    panel: Panel | None, target: Target, uid: str, least: str, points: int, known: Mapping[str, Value], span: Span
) -> Query:
    least_ms = milliseconds(interpolated(least, known, "")) if least else _LEAST_STEP_MS.get(uid, 1)
    step_ms = step(span.milliseconds, points, least_ms)
    intervals = {"__interval": written(step_ms), "__interval_ms": str(step_ms)}
    if uid == "prometheus":
        intervals["__rate_interval"] = written(rate_interval(step_ms, least_ms))
    is_instant = target.query_type == "instant" or (target.instant and not target.range)
    if uid == "loki":
        intervals["__auto"] = f"{round(span.end - span.start)}s" if is_instant else written(step_ms)
    built_in = {name: Value(text, literal=True) for name, text in intervals.items()}
    expression = interpolated(target.expr or target.query, {**known, **span.built_in, **built_in}, uid)
    return Query(panel, target, uid, expression, _aligned(span, step_ms), step_ms, is_instant)


def _aligned(span: Span, step_ms: int) -> Span:
    """Whole steps, the last of which ends now.

    Grafana rounds both ends of what it asks Prometheus down to the step, and Loki counts steps from the start: a panel
    lags behind by up to a step. It is asked here as at a moment in which it does not.
    """
    return replace(span, start=span.end - math.ceil(span.milliseconds / step_ms) * step_ms / 1000)


def _answer(query: Query, servers: Mapping[str, Server]) -> Answer:
    server = servers[query.source]
    try:
        if query.is_instant:
            return Answer(query, server.ask(query.expression, query.span.end))
        lines = query.target.max_lines or _MOST_LINES
        seconds = query.step_ms / 1000
        return Answer(query, server.ask_range(query.expression, query.span.start, query.span.end, seconds, lines))
    except QueryRefusedError as error:
        return Answer(query, Found([], []), refused=str(error))


def _title(query: Query) -> str | None:
    return None if query.panel is None else query.panel.title
