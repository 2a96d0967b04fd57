"""The parts of a dashboard's JSON that ask something, typed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

_FOLDER = Path(__file__).parents[3] / "grafana"
REFERENCE = _FOLDER / "reference.json"
"""The reference dashboard, byte for byte."""
OURS = tuple(sorted((_FOLDER / "dashboards").glob("*.json")))
"""All generated dashboards."""


class DataSource(msgspec.Struct, frozen=True):
    """Where a panel, target, variable or annotation asks; `uid` is what counts and may be a variable."""

    uid: str = ""


class Target(msgspec.Struct, frozen=True, rename="camel"):
    """One query of a panel."""

    ref_id: str
    expr: str = ""
    query: str = ""
    """The expression where the data source is Tempo."""
    datasource: DataSource | None = None
    hide: bool = False
    instant: bool = False
    """Prometheus: asked for one moment."""
    range: bool = False
    query_type: str | None = None
    """Loki: `instant` or `range`."""
    exemplar: bool = False
    interval: str = ""
    """Least step."""
    max_lines: int | None = None
    legend_format: str = ""


class Link(msgspec.Struct, frozen=True):
    """A way on, of a panel or of the values in it."""

    title: str
    url: str = ""


class Menu(msgspec.Struct, frozen=True):
    """A way on at the top of a dashboard: to an address, or to all dashboards with some tags."""

    type: str
    url: str = ""
    tags: tuple[str, ...] = ()


class _Matcher(msgspec.Struct, frozen=True):
    id: str
    options: object = None


class _Property(msgspec.Struct, frozen=True):
    id: str
    value: object = None


class _Override(msgspec.Struct, frozen=True):
    matcher: _Matcher
    properties: tuple[_Property, ...]

    @property
    def links(self) -> tuple[Link, ...]:
        found = (msgspec.convert(one.value, tuple[Link, ...]) for one in self.properties if one.id == "links")
        return next(found, ())


class _Defaults(msgspec.Struct, frozen=True, rename="camel"):
    no_value: str = ""
    links: tuple[Link, ...] = ()


class _FieldConfig(msgspec.Struct, frozen=True):
    defaults: _Defaults = _Defaults()
    overrides: tuple[_Override, ...] = ()


class Arrangement(msgspec.Struct, frozen=True, rename="camel"):
    """The options of a transformation, as far as they decide which fields there are and what they are called."""

    value_label: str = ""
    """Of `labelsToFields`: the label whose values become fields."""
    include_by_name: dict[str, bool] = {}
    exclude_by_name: dict[str, bool] = {}
    rename_by_name: dict[str, str] = {}

    def titles(self, fields: set[str]) -> dict[str, str]:
        """Fields that are left, by what they are called."""
        left = {name for name in fields if self.include_by_name.get(name, not self.include_by_name)}
        left -= {name for name, excluded in self.exclude_by_name.items() if excluded}
        return {self.rename_by_name.get(name) or name: name for name in left}


class Transformation(msgspec.Struct, frozen=True):
    """One step between a query's result and what a panel shows."""

    id: str
    options: Arrangement = Arrangement()


class Panel(msgspec.Struct, frozen=True, rename="camel"):
    """A panel, or a row that holds panels."""

    title: str
    type: str
    datasource: DataSource | None = None
    targets: tuple[Target, ...] = ()
    panels: tuple[Panel, ...] = ()
    time_from: str | None = None
    interval: str | None = None
    """Least step of all its targets."""
    max_data_points: int | None = None
    repeat: str | None = None
    field_config: _FieldConfig = _FieldConfig()
    transformations: tuple[Transformation, ...] = ()
    links: tuple[Link, ...] = ()

    @property
    def every_link(self) -> Iterator[tuple[Link, str | None]]:
        """Links of the panel and of its values, with the name of the field if it is only one."""
        for link in (*self.links, *self.field_config.defaults.links):
            yield link, None
        for override in self.field_config.overrides:
            for link in override.links:
                yield link, str(override.matcher.options) if override.matcher.id == "byName" else None


class AnnotationTarget(msgspec.Struct, frozen=True):
    """The query of an annotation in newer dashboards."""

    expr: str = ""


class Annotation(msgspec.Struct, frozen=True, rename="camel"):
    """A query whose results are marked on the time axis."""

    name: str
    datasource: DataSource
    expr: str = ""
    target: AnnotationTarget | None = None
    built_in: int = 0
    enable: bool = True
    step: str = ""
    max_lines: int | None = None


class VariableQuery(msgspec.Struct, frozen=True):
    """The query of a variable."""

    query: str = ""


class Selection(msgspec.Struct, frozen=True):
    """What is selected at first."""

    value: str | tuple[str, ...] = ""


class Variable(msgspec.Struct, frozen=True, rename="camel"):
    """A variable of any type."""

    name: str
    type: str
    query: VariableQuery | str = ""
    datasource: DataSource | None = None
    regex: str = ""
    current: Selection = Selection()
    multi: bool = False
    include_all: bool = False
    all_value: str | None = None

    @property
    def expression(self) -> str:
        """What it asks, or its fixed values."""
        return self.query if isinstance(self.query, str) else self.query.query


class _Annotations(msgspec.Struct, frozen=True):
    list: tuple[Annotation, ...] = ()


class _Templating(msgspec.Struct, frozen=True):
    list: tuple[Variable, ...] = ()


class _Time(msgspec.Struct, frozen=True, rename={"since": "from"}):
    since: str


class Dashboard(msgspec.Struct, frozen=True):
    """A dashboard."""

    uid: str
    title: str
    time: _Time
    panels: tuple[Panel, ...]
    tags: tuple[str, ...] = ()
    links: tuple[Menu, ...] = ()
    annotations: _Annotations = _Annotations()
    templating: _Templating = _Templating()

    @property
    def all_panels(self) -> Iterator[Panel]:
        """Every panel, those inside rows included."""
        return _flat(self.panels)


def load(text: bytes) -> Dashboard:
    """Reads a dashboard's JSON; raises msgspec.ValidationError where a part that asks is not understood."""
    return msgspec.json.decode(text, type=Dashboard)


def _flat(panels: tuple[Panel, ...]) -> Iterator[Panel]:
    for panel in panels:
        yield panel
        yield from _flat(panel.panels)
