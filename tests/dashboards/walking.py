"""The generated dashboards as Grafana reads them: panels, queries, variables and marks, found by walking."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

FOLDER = Path(__file__).parents[2] / "grafana" / "dashboards"
_REFERENCE = re.compile(r"\$(?:\{(\w+)[^}]*\}|(\w+))")
_BUILT_IN = "__"


class Source(msgspec.Struct, frozen=True):
    """Where a panel, query or mark asks."""

    type: str
    uid: str


class Target(msgspec.Struct, frozen=True, rename="camel"):
    """One query of a panel."""

    ref_id: str
    expr: str
    datasource: Source
    legend_format: str = ""
    instant: bool = False
    range: bool = False
    exemplar: bool = False
    query_type: str = ""


class Matcher(msgspec.Struct, frozen=True):
    """Which fields an override is for."""

    id: str
    options: str


class Override(msgspec.Struct, frozen=True):
    """Properties of some fields only."""

    matcher: Matcher
    properties: list[dict[str, object]]


class Link(msgspec.Struct, frozen=True):
    """A way on from a value."""

    title: str
    url: str


class Defaults(msgspec.Struct, frozen=True, rename="camel"):
    """Properties of all fields."""

    unit: str = ""
    no_value: str = ""
    links: list[Link] = []


class FieldConfig(msgspec.Struct, frozen=True):
    """How values are shown."""

    defaults: Defaults = Defaults()
    overrides: list[Override] = []


class Place(msgspec.Struct, frozen=True):
    """Place on the grid."""

    x: int = 0
    y: int = 0
    w: int = 0
    h: int = 0

    @property
    def cells(self) -> set[tuple[int, int]]:
        """All cells it covers."""
        return {(x, y) for x in range(self.x, self.x + self.w) for y in range(self.y, self.y + self.h)}


class Panel(msgspec.Struct, frozen=True, rename="camel"):
    """A panel, or the heading of a section, whose type is `row`."""

    id: int
    type: str
    title: str
    grid_pos: Place
    description: str = ""
    datasource: Source | None = None
    targets: list[Target] = []
    field_config: FieldConfig = FieldConfig()


class Option(msgspec.Struct, frozen=True):
    """What a variable is set to."""

    value: str


class Variable(msgspec.Struct, frozen=True, rename="camel"):
    """A variable."""

    name: str
    type: str
    current: Option
    definition: str = ""
    regex: str = ""
    hide: int = 0
    include_all: bool = False
    all_value: str = ""
    skip_url_sync: bool = False


class Mark(msgspec.Struct, frozen=True, rename="camel"):
    """A query whose answers are marked on the time axes."""

    name: str
    expr: str
    datasource: Source
    tag_keys: str
    target: dict[str, object]


class _Variables(msgspec.Struct, frozen=True):
    list: tuple[Variable, ...]


class _Marks(msgspec.Struct, frozen=True):
    list: tuple[Mark, ...]


class _Range(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    from_: str
    to: str


class Dashboard(msgspec.Struct, frozen=True, rename="camel"):
    """One dashboard."""

    uid: str
    title: str
    description: str
    editable: bool
    refresh: str
    timezone: str
    graph_tooltip: int
    tags: list[str]
    time: _Range
    panels: list[Panel]
    templating: _Variables
    annotations: _Marks

    @property
    def plots(self) -> list[Panel]:
        """Panels without headings."""
        return [panel for panel in self.panels if panel.type != "row"]

    @property
    def variables(self) -> tuple[Variable, ...]:
        """In the order in which Grafana shows them."""
        return self.templating.list


def texts() -> dict[str, str]:
    """The files by their uid."""
    return {path.stem: path.read_text("utf-8") for path in sorted(FOLDER.glob("*.json"))}


def dashboards() -> list[Dashboard]:
    """All of them."""
    return [msgspec.json.decode(text, type=Dashboard) for text in texts().values()]


def plots() -> Iterator[tuple[str, Panel]]:
    """Every panel, with a name for messages."""
    for each in dashboards():
        for panel in each.plots:
            yield f"{each.title}: {panel.title}", panel


def queries(kind: str) -> Iterator[tuple[str, str]]:
    """Every query to data sources of a kind, with a name for messages: of panels, marks and variables."""
    for name, panel in plots():
        for target in panel.targets:
            if target.datasource.type == kind:
                yield f"{name} {target.ref_id}", target.expr
    for each in dashboards():
        yield from (
            (f"{each.title}: {mark.name}", mark.expr) for mark in each.annotations.list if mark.datasource.type == kind
        )
        if kind == "prometheus":
            yield from ((f"{each.title}: ${v.name}", asked(v.definition)) for v in each.variables if v.type == "query")


def asked(definition: str) -> str:
    """The PromQL in `query_result(…)` or `label_values(…, label)`."""
    if definition.startswith("query_result("):
        return definition.removeprefix("query_result(").removesuffix(")")
    return definition.removeprefix("label_values(").rpartition(",")[0]


def filled(expression: str) -> str:
    """A query with every variable replaced by something it may hold."""
    return _REFERENCE.sub(lambda found: "1m" if (found[1] or found[2]).startswith(_BUILT_IN) else "1", expression)


def referenced(text: str) -> set[str]:
    """Names of the dashboard's own variables that a text uses."""
    names = {found[1] or found[2] for found in _REFERENCE.finditer(text)}
    return {name for name in names if not name.startswith(_BUILT_IN)}
