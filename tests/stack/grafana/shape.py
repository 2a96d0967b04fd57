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


class _Defaults(msgspec.Struct, frozen=True, rename="camel"):
    no_value: str = ""


class _FieldConfig(msgspec.Struct, frozen=True):
    defaults: _Defaults = _Defaults()


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
