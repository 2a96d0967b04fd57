"""Tables of log lines, and of sums over them: which fields they show, how, and what a cell leads to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from grafana_foundation_sdk.builders import common as build
from grafana_foundation_sdk.builders import dashboard as shape
from grafana_foundation_sdk.builders import table
from grafana_foundation_sdk.models import dashboard

from dashboards import house, links
from dashboards.house import GRAY, GREEN, NO_REQUESTS, ORANGE, RED, UNKNOWN, YELLOW, setting
from dashboards.signals.logged import COLUMN
from dashboards.signals.signal import Signal

Options = dict[str, object]

_TIMES = ("Time", "timestamp")
"""Names that Grafana's Loki data source gives to the time of a line, by its feature toggles."""
_TIME_WIDTH = 175


@dataclass(frozen=True, slots=True)
class Column:
    """A field of log lines, or a label of sums over them."""

    name: str
    title: str
    unit: str = ""
    """Of numbers; "" for text."""
    width: int = 0
    """In pixels; 0 for what is left."""
    words: str = ""
    """Stands in the cell in place of a long value."""
    colors: Mapping[str, str] = field(default_factory=dict)
    """Regular expression for values → their colour."""
    link: shape.DashboardLink | None = None


STATUS = Column("status", "Status", width=70, colors={"2..": GREEN, "429": ORANGE, "4..": YELLOW, "5..": RED})
OUTCOME = Column("outcome", "Outcome", width=130, colors={"ok": GREEN, "client_disconnected|rejected": GRAY, ".+": RED})
MODEL = Column("model", "Model", width=170)
ENDPOINT = Column("endpoint", "Endpoint", width=100)
KEY = Column("key", "Key", width=120)
ACCOUNT = Column("account", "Account", width=150)
PROMPT = Column("input_tokens_total", "In", "short", width=75)
CACHED = Column("cache_read_tokens", "From cache", "short", width=100)
ANSWER = Column("output_tokens", "Out", "short", width=75)
COST = Column("cost_usd", "Cost", "currencyUSD", width=85)
DURATION = Column("duration_ms", "Duration", "ms", width=90)
FIRST_TOKEN = Column("ttft_ms", "First token", "ms", width=95)
ATTEMPT = Column("attempt", "Attempt", "none", width=80)
ERROR_TYPE = Column("error_type", "Error", width=150)
ERROR_MESSAGE = Column("error_message", "Message")
REQUEST = Column("request_id", "Request")
SESSION = Column(
    "session_id",
    "Session",
    width=120,
    link=links.requests("Requests of this session", session="${__value.raw:percentencode}"),
)
INSPECTOR = Column("inspector_url", "Inspector", width=85, words="Open", link=links.inspector())
TRACE = Column("trace_id", "Trace", width=70, words="Trace", link=links.trace("Trace in Tempo"))


def log_rows(
    title: str, description: str, lines: Signal, *columns: Column, first: Column | None = None, empty: str = NO_REQUESTS
) -> table.Panel:
    """One row per log line, the newest first, or those with most of the column `first`."""
    panel = house.rows(title, description, lines, empty=empty)
    numbers = [{"targetField": each.name, "destinationType": "number"} for each in columns if each.unit]
    return _shown(
        panel,
        (Column(_TIMES[0], "Time", width=_TIME_WIDTH), *columns),
        ("extractFields", {"source": "labels", "format": "auto", "replace": False, "keepTime": False}),
        ("convertFieldType", {"fields": {}, "conversions": numbers}),
        _organized(dict.fromkeys(_TIMES, "Time") | {each.name: each.title for each in columns}),
    ).sort_by([most_first(first.title if first else "Time")])


def sum_rows(
    title: str, description: str, labels: tuple[Column, ...], *sums: Signal, empty: str = NO_REQUESTS
) -> table.Panel:
    """One row per set of labels, one column per signal, which `logged.column` has named; most of the first on top."""
    columns = (*labels, *(Column(each.legend, each.legend, each.unit) for each in sums))
    panel = house.sums(title, description, *sums, empty=empty)
    return _shown(
        panel,
        columns,
        ("labelsToFields", {"mode": "columns", "valueLabel": COLUMN}),
        ("merge", {}),
        _organized({each.name: each.title for each in columns}),
    ).sort_by([most_first(sums[0].legend)])


def worded(panel: table.Panel, title: str, names: house.Names) -> table.Panel:
    """Words and colours in place of the numbers of a column."""
    mapped = setting("mappings", [house.words(names)])
    return panel.override_by_name(title, [mapped, setting("custom.cellOptions", {"type": "color-text"})])


def most_first(title: str) -> build.TableSortByFieldState:
    """Sort by a column, the largest on top."""
    return build.TableSortByFieldState().display_name(title).desc(True)


def least_first(title: str) -> build.TableSortByFieldState:
    """Sort by a column, the smallest on top."""
    return build.TableSortByFieldState().display_name(title).desc(False)


def _shown(panel: table.Panel, columns: tuple[Column, ...], *steps: tuple[str, Options]) -> table.Panel:
    for name, options in steps:
        panel.with_transformation(dashboard.DataTransformerConfig(id_val=name, options=options))
    # The text for an empty table would stand in every empty cell, too.
    panel.override_by_regexp("/.*/", [setting("noValue", UNKNOWN)])
    for each in columns:
        panel.override_by_name(each.title, list(_properties(each)))
    return panel


def _properties(column: Column) -> Iterator[dashboard.DynamicConfigValue]:
    if column.unit:
        yield setting("unit", column.unit)
    if column.width:
        yield setting("custom.width", column.width)
    if column.link:
        link = column.link.build()
        yield setting("links", [{"title": link.title, "url": link.url, "targetBlank": link.target_blank}])
    if column.words:
        yield setting("mappings", [_mapping(".+", dashboard.ValueMappingResult(text=column.words))])
    if column.colors:
        shades = [
            _mapping(values, dashboard.ValueMappingResult(color=color)) for values, color in column.colors.items()
        ]
        yield setting("mappings", shades)
        yield setting("custom.cellOptions", {"type": "color-text"})


def _mapping(values: str, result: dashboard.ValueMappingResult) -> dashboard.RegexMap:
    return dashboard.RegexMap(options=dashboard.DashboardRegexMapOptions(pattern=f"/^({values})$/", result=result))


def _organized(titles: Mapping[str, str]) -> tuple[str, Options]:
    """Only these fields, in this order, under these names; those that no row has are left out."""
    places = {name: place for place, name in enumerate(titles)}
    chosen = dict.fromkeys(titles, True)
    return "organize", {"includeByName": chosen, "indexByName": places, "renameByName": dict(titles)}
