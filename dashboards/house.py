"""House style: one factory per kind of panel, with the colours, texts and limits that all panels share."""

from __future__ import annotations

from collections.abc import Mapping
from string import ascii_uppercase
from typing import TypeVar
from zlib import crc32

from grafana_foundation_sdk.builders import (
    bargauge,
    gauge,
    heatmap,
    logs,
    loki,
    prometheus,
    stat,
    statetimeline,
    table,
    text,
    timeseries,
)
from grafana_foundation_sdk.builders import common as build
from grafana_foundation_sdk.builders import dashboard as shape
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import common, dashboard
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from dashboards.signals.signal import Signal, Source

Plot = TypeVar(
    "Plot",
    timeseries.Panel,
    stat.Panel,
    gauge.Panel,
    bargauge.Panel,
    table.Panel,
    heatmap.Panel,
    logs.Panel,
    statetimeline.Panel,
)

NO_REQUESTS = "No requests in this time range"
NO_READING = "No window reading yet: only answers to subscription accounts carry one"
NO_METRICS = "No metrics of the proxy have arrived in this time range"
NO_HEALTH = "Nothing scraped from the proxy: is it running, and does Prometheus have its token?"

UNKNOWN = "–"
"""What a cell shows that has no value."""
GREEN, YELLOW, ORANGE, RED, BLUE, GRAY = "green", "yellow", "orange", "red", "blue", "gray"
Steps = tuple[tuple[float | None, str], ...]
"""Thresholds: from this value on (None: from the start), this colour."""
FULL: Steps = ((None, GREEN), (60, YELLOW), (80, ORANGE), (95, RED))
"""How full something is, in percent."""
UNWANTED: Steps = ((None, GREEN), (1, YELLOW), (5, RED))
"""Counts of what should not happen."""
NEUTRAL: Steps = ((None, BLUE),)
Names = Mapping[int, tuple[str, str]]
"""Value → the words and the colour that stand for it."""
MOST_LINES = 1_000
"""Log lines in a table: more are slow to draw."""


def lines(title: str, description: str, *signals: Signal, empty: str = NO_REQUESTS) -> timeseries.Panel:
    """Values over time."""
    panel = _plot(timeseries.Panel(), title, description, signals, empty, instant=False)
    return (
        panel.draw_style(common.GraphDrawStyle.LINE)
        .line_width(2)
        .fill_opacity(10)
        .show_points(common.VisibilityMode.AUTO)
        .span_nulls(False)
        .legend(_legend())
        .tooltip(build.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING))
    )


def sparse(panel: timeseries.Panel) -> timeseries.Panel:
    """For what few log lines tell: wide intervals."""
    return panel.max_data_points(120)


def bars(title: str, description: str, *signals: Signal, empty: str = NO_REQUESTS) -> timeseries.Panel:
    """Parts of a whole over time, stacked."""
    return (
        lines(title, description, *signals, empty=empty)
        .draw_style(common.GraphDrawStyle.BARS)
        .line_width(1)
        .fill_opacity(50)
        .stacking(build.StackingConfig().mode(common.StackingMode.NORMAL))
    )


def number(
    title: str, description: str, *signals: Signal, steps: Steps = NEUTRAL, empty: str = NO_REQUESTS
) -> stat.Panel:
    """The present value, or that of the whole time range."""
    panel = _plot(stat.Panel(), title, description, signals, empty, instant=True)
    return (
        panel.thresholds(_thresholds(steps))
        .color_mode(common.BigValueColorMode.BACKGROUND)
        .graph_mode(common.BigValueGraphMode.NONE)
        .reduce_options(build.ReduceDataOptions().calcs(["lastNotNull"]))
    )


def dial(title: str, description: str, *signals: Signal, steps: Steps = FULL, empty: str = NO_READING) -> gauge.Panel:
    """How full something is, 0 to 100 percent."""
    panel = _plot(gauge.Panel(), title, description, signals, empty, instant=True)
    return (
        panel.thresholds(_thresholds(steps))
        .min(0)
        .max(100)
        .show_threshold_labels(False)
        .reduce_options(build.ReduceDataOptions().calcs(["lastNotNull"]))
    )


def ranking(
    title: str, description: str, *signals: Signal, steps: Steps = NEUTRAL, empty: str = NO_REQUESTS
) -> bargauge.Panel:
    """Present values as horizontal bars, one per series."""
    panel = _plot(bargauge.Panel(), title, description, signals, empty, instant=True)
    return (
        panel.thresholds(_thresholds(steps))
        .orientation(common.VizOrientation.HORIZONTAL)
        .display_mode(common.BarGaugeDisplayMode.BASIC)
        .min(0)
        .reduce_options(build.ReduceDataOptions().calcs(["lastNotNull"]))
    )


def rows(title: str, description: str, *signals: Signal, empty: str = NO_REQUESTS) -> table.Panel:
    """A table of log lines, or of metrics: one row per set of labels, one column per signal, named by its legend."""
    metrics = signals[0].source is Source.PROMETHEUS
    panel = table.Panel().filterable(True).cell_height(common.TableCellHeight.SM)
    _plot(panel, title, description, signals, empty, instant=metrics, shape_of=PromQueryFormat.TABLE)
    return _named_columns(panel, signals) if metrics else panel


def sums(title: str, description: str, *signals: Signal, empty: str = NO_REQUESTS) -> table.Panel:
    """A table of sums over log lines; `tables` gives it its columns."""
    panel = table.Panel().filterable(True).cell_height(common.TableCellHeight.SM)
    return _plot(panel, title, description, signals, empty, instant=True)


def states(title: str, description: str, signal: Signal, names: Names, *, empty: str) -> statetimeline.Panel:
    """One lane per series, in the words and colours of its values."""
    panel = _plot(statetimeline.Panel(), title, description, (signal,), empty, instant=False)
    return panel.mappings([words(names)]).show_value(common.VisibilityMode.AUTO).row_height(0.8).fill_opacity(80)


def heat(title: str, description: str, signal: Signal, *, empty: str = NO_REQUESTS) -> heatmap.Panel:
    """The buckets of a histogram over time."""
    panel = heatmap.Panel()
    _plot(panel, title, description, (signal,), empty, instant=False, shape_of=PromQueryFormat.HEATMAP)
    return panel.calculate(False).color(_heat_colors()).show_legend()


def log_lines(title: str, description: str, signal: Signal, *, empty: str = NO_REQUESTS) -> logs.Panel:
    """Log lines, newest first."""
    panel = _plot(logs.Panel(), title, description, (signal,), empty, instant=False)
    return panel.show_time(True).enable_log_details(True).sort_order(common.LogsSortOrder.DESCENDING)


def note(title: str, description: str, markdown: str) -> text.Panel:
    """Words."""
    return text.Panel().id(panel_id(title)).title(title).description(description).content(markdown)


def panel_id(title: str) -> int:
    """The id of a panel: the same wherever it stands, as links and alerts hold on to it."""
    return crc32(title.encode()) % 1_000_000


def source_of(source: Source) -> common.DataSourceRef:
    """A data source, by the variable that names it."""
    return common.DataSourceRef(type_val=str(source), uid=f"${{{source}}}")


def colored(panel: timeseries.Panel, colors: Mapping[str, str], mode: str = "fixed") -> timeseries.Panel:
    """Give the series whose names match a regular expression a colour, or `shades` of it."""
    for regexp, color in colors.items():
        panel.override_by_regexp(f"/{regexp}/", [setting("color", {"mode": mode, "fixedColor": color})])
    return panel


def dashed(panel: timeseries.Panel, regexp: str) -> timeseries.Panel:
    """Draw the series whose names match as thin dashes: what others are to be compared with."""
    style: dict[str, object] = {"fill": "dash", "dash": [10, 10]}
    properties = [("custom.lineStyle", style), ("custom.lineWidth", 1), ("custom.fillOpacity", 0)]
    return panel.override_by_regexp(f"/{regexp}/", [setting(name, value) for name, value in properties])


def graded(panel: table.Panel, column: str, steps: Steps) -> table.Panel:
    """Colour the cells of a column by thresholds."""
    levels = [{"value": value, "color": color} for value, color in steps]
    return panel.override_by_name(
        column,
        [
            setting("thresholds", {"mode": "absolute", "steps": levels}),
            setting("custom.cellOptions", {"type": "color-background", "mode": "basic"}),
        ],
    )


def named(panel: stat.Panel, names: Names) -> stat.Panel:
    """Show words and colours in place of values."""
    return panel.mappings([words(names)])


def limits(panel: timeseries.Panel, steps: Steps) -> timeseries.Panel:
    """Draw thresholds as lines."""
    return panel.thresholds(_thresholds(steps)).thresholds_style(
        build.GraphThresholdsStyleConfig().mode(common.GraphThresholdsStyleMode.LINE)
    )


def setting(name: str, value: object) -> dashboard.DynamicConfigValue:
    """A property for some fields only, by its path in Grafana's field configuration."""
    return dashboard.DynamicConfigValue(id_val=name, value=value)


def words(names: Names) -> dashboard.ValueMap:
    """Words and colours in place of values."""
    results = {
        str(value): dashboard.ValueMappingResult(text=text, color=color) for value, (text, color) in names.items()
    }
    return dashboard.ValueMap(options=results)


def _plot(
    panel: Plot,
    title: str,
    description: str,
    signals: tuple[Signal, ...],
    empty: str,
    *,
    instant: bool,
    shape_of: PromQueryFormat = PromQueryFormat.TIME_SERIES,
) -> Plot:
    (source,) = {signal.source for signal in signals}
    units = {signal.unit for signal in signals}
    targets = [_target(ref, each, instant, shape_of) for ref, each in zip(ascii_uppercase, signals, strict=False)]
    panel.id(panel_id(title)).title(title).description(description).datasource(source_of(source)).no_value(empty)
    panel.targets(targets)
    return panel.unit(units.pop()) if len(units) == 1 else panel


def _target(ref: str, signal: Signal, instant: bool, shape_of: PromQueryFormat) -> Builder[Dataquery]:
    source = source_of(signal.source)
    if signal.source is Source.LOKI:
        logs_of = loki.Dataquery().ref_id(ref).datasource(source).expr(signal.expr).legend_format(signal.legend)
        return logs_of.query_type("instant") if instant else logs_of.query_type("range").max_lines(MOST_LINES)
    query = prometheus.Dataquery().ref_id(ref).datasource(source).expr(signal.expr).legend_format(signal.legend)
    query.format(shape_of).exemplar(signal.exemplars and not instant)
    return query.instant() if instant else query.range()


def _named_columns(panel: table.Panel, signals: tuple[Signal, ...]) -> table.Panel:
    """Grafana calls the values of query B `Value #B`, those of a single query `Value`."""
    names = (
        ["Value"] if len(signals) == 1 else [f"Value #{ref}" for ref, _ in zip(ascii_uppercase, signals, strict=False)]
    )
    legends = {name: signal.legend for name, signal in zip(names, signals, strict=True)}
    organize: dict[str, object] = {"excludeByName": {"Time": True}, "renameByName": legends}
    panel.with_transformation(dashboard.DataTransformerConfig(id_val="merge", options={}))
    panel.with_transformation(dashboard.DataTransformerConfig(id_val="organize", options=organize))
    for signal in signals:
        panel.override_by_name(signal.legend, [setting("unit", signal.unit), setting("noValue", UNKNOWN)])
    return panel


def _legend() -> build.VizLegendOptions:
    return (
        build.VizLegendOptions()
        .display_mode(common.LegendDisplayMode.LIST)
        .placement(common.LegendPlacement.BOTTOM)
        .show_legend(True)
    )


def _thresholds(steps: Steps) -> shape.ThresholdsConfig:
    levels = [dashboard.Threshold(value=value, color=color) for value, color in steps]
    return shape.ThresholdsConfig().mode(dashboard.ThresholdsMode.ABSOLUTE).steps(levels)


def _heat_colors() -> heatmap.HeatmapColorOptions:
    return heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Oranges").steps(64)
