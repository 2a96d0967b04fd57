"""A page: panels on Grafana's grid of 24 columns without overlap or hole, and the settings that all pages share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import dashboard as shape
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard

from dashboards.house import panel_id
from dashboards.links import between_pages

_COLUMNS = 24
TAGS = ["anthropic-proxy", "otel"]


@dataclass(frozen=True, slots=True)
class Band:
    """Panels of one height beside each other; they share the width, or have the `widths` given."""

    height: int
    panels: tuple[Builder[dashboard.Panel], ...]
    widths: tuple[int, ...] = ()

    def placed(self, y: int) -> Iterator[dashboard.Panel]:
        """The panels with their places. Raises ValueError when they do not fill the width."""
        count = len(self.panels)
        widths = self.widths or (_COLUMNS // count,) * count
        if sum(widths) != _COLUMNS or len(widths) != count:
            raise ValueError(f"{count} panels of widths {widths} do not fill {_COLUMNS} columns")
        for index, builder in enumerate(self.panels):
            panel = builder.build()
            panel.grid_pos = dashboard.GridPos(h=self.height, w=widths[index], x=sum(widths[:index]), y=y)
            yield panel


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and the bands below it."""

    title: str
    bands: tuple[Band, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """A dashboard."""

    uid: str
    title: str
    description: str
    sections: tuple[Section, ...]
    variables: Sequence[Builder[dashboard.VariableModel]]
    annotations: Sequence[Builder[dashboard.AnnotationQuery]]

    def dashboard(self) -> dashboard.Dashboard:
        """The same in Grafana's classic model, the only one it takes from files."""
        page = (
            shape.Dashboard(self.title)
            .uid(self.uid)
            .description(self.description)
            .tags(TAGS)
            .readonly()
            .time("now-6h", "now")
            .refresh("30s")
            .timezone("browser")
            .tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
            .variables(list(self.variables))
            .annotations(list(self.annotations))
            .links(between_pages(TAGS))
            .build()
        )
        page.panels = list(_stacked(self.sections))
        for variable in page.templating.list_val or []:
            # What a hidden variable holds is computed: a link must not bring an old value along.
            variable.skip_url_sync = variable.hide is dashboard.VariableHide.HIDE_VARIABLE
        # The SDK would put marks and links into a menu, out of sight.
        for mark in page.annotations.list_val or []:
            mark.placement = None  # type: ignore[assignment]
        for link in page.links or []:
            link.placement = None  # type: ignore[assignment]
        return page


def band(height: int, *panels: Builder[dashboard.Panel], widths: tuple[int, ...] = ()) -> Band:
    """Panels beside each other."""
    return Band(height, panels, widths)


def section(title: str, *bands: Band) -> Section:
    """A heading and what stands below it."""
    return Section(title, bands)


def _stacked(sections: Sequence[Section]) -> Iterator[dashboard.Panel | dashboard.RowPanel]:
    y = 0
    for one in sections:
        place = dashboard.GridPos(h=1, w=_COLUMNS, x=0, y=y)
        yield shape.Row(one.title).id(panel_id(f"section {one.title}")).grid_pos(place).build()
        y += 1
        for each in one.bands:
            yield from each.placed(y)
            y += each.height
