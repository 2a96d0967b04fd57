"""Tables of log lines and of sums: which fields become columns, and what a cell shows and leads to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Protocol

import msgspec
import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from dashboards import house, tables
from dashboards.signals import logged
from dashboards.signals.signal import Signal, Source
from proxy.names.fields import FIELDS
from tests.dashboards.walking import FieldConfig, Target, texts

BESIDE_FIELDS = {"trace_id", "Time", "timestamp"}
"""What Loki and Grafana have beside our fields."""
LINES = Signal('{service_name="anthropic-proxy"}', "string", source=Source.LOKI)


class Options(msgspec.Struct, frozen=True, rename="camel"):
    """Of the transformations that our tables use."""

    include_by_name: dict[str, bool] = {}
    index_by_name: dict[str, int] = {}
    rename_by_name: dict[str, str] = {}
    conversions: list[dict[str, str]] = []
    value_label: str = ""


class Step(msgspec.Struct, frozen=True):
    """A transformation."""

    id: str
    options: Options


class Sorting(msgspec.Struct, frozen=True, rename="camel"):
    """A column to sort by."""

    display_name: str
    desc: bool


class Arrangement(msgspec.Struct, frozen=True, rename="camel"):
    """How rows are arranged."""

    sort_by: list[Sorting] = []


class Table(msgspec.Struct, frozen=True, rename="camel"):
    """A panel as Grafana reads it."""

    type: str
    title: str
    options: Arrangement = Arrangement()
    targets: list[Target] = []
    field_config: FieldConfig = FieldConfig()
    transformations: list[Step] = []

    @property
    def steps(self) -> dict[str, Options]:
        """Options of the transformations by their names."""
        return {each.id: each.options for each in self.transformations}

    @property
    def overrides(self) -> dict[str, dict[str, object]]:
        """Properties of fields by the name or the pattern of the fields."""
        return {
            rule.matcher.options: {str(one["id"]): one["value"] for one in rule.properties}
            for rule in self.field_config.overrides
        }


class Page(msgspec.Struct, frozen=True):
    """A dashboard."""

    title: str
    panels: list[Table]


class Builder(Protocol):
    """What the factories give."""

    def build(self) -> object:
        """The panel."""


def built(panel: Builder) -> Table:
    return msgspec.json.decode(json.dumps(panel.build(), cls=JSONEncoder), type=Table)


def tables_of_lines() -> Iterator[tuple[str, Table]]:
    for text in texts().values():
        page = msgspec.json.decode(text, type=Page)
        yield from ((f"{page.title}: {one.title}", one) for one in page.panels if "extractFields" in one.steps)


@pytest.fixture(params=[pytest.param(panel, id=name) for name, panel in tables_of_lines()])
def panel(request: pytest.FixtureRequest) -> Table:
    """Each table of log lines on each dashboard."""
    found: Table = request.param
    return found


def test_columns_are_fields_that_the_lines_have(panel: Table) -> None:
    [target] = panel.targets
    in_errors = '|= "upstream error"' in target.expr
    there = {each.name for each in FIELDS if each.in_errors or not in_errors}
    assert panel.steps["organize"].include_by_name.keys() <= there | BESIDE_FIELDS


def test_overrides_and_order_are_about_columns_that_are_shown(panel: Table) -> None:
    titles = set(panel.steps["organize"].rename_by_name.values())
    assert panel.overrides.keys() <= {*titles, "/.*/"}
    assert {one.display_name for one in panel.options.sort_by} <= titles


def test_a_table_shows_its_columns_only_in_their_order_by_their_titles() -> None:
    organize = built(tables.log_rows("T", "", LINES, tables.MODEL, tables.COST)).steps["organize"]
    assert organize.include_by_name == {"Time": True, "timestamp": True, "model": True, "cost_usd": True}
    assert organize.index_by_name == {"Time": 0, "timestamp": 1, "model": 2, "cost_usd": 3}
    assert organize.rename_by_name == {"Time": "Time", "timestamp": "Time", "model": "Model", "cost_usd": "Cost"}


def test_fields_with_a_unit_become_numbers_because_labels_are_texts() -> None:
    panel = built(tables.log_rows("T", "", LINES, tables.MODEL, tables.COST, tables.DURATION))
    assert panel.steps["convertFieldType"].conversions == [
        {"targetField": "cost_usd", "destinationType": "number"},
        {"targetField": "duration_ms", "destinationType": "number"},
    ]
    assert panel.overrides["Duration"]["unit"] == "ms"


def test_the_newest_line_is_on_top_unless_the_table_is_about_a_column() -> None:
    newest = built(tables.log_rows("T", "", LINES, tables.COST))
    dearest = built(tables.log_rows("T", "", LINES, tables.COST, first=tables.COST))
    assert newest.options.sort_by == [Sorting("Time", desc=True)]
    assert dearest.options.sort_by == [Sorting("Cost", desc=True)]


def test_an_empty_cell_does_not_say_what_an_empty_table_says() -> None:
    panel = built(tables.log_rows("T", "", LINES, tables.COST, empty="Nothing"))
    assert panel.field_config.defaults.no_value == "Nothing"
    assert panel.overrides["/.*/"] == {"noValue": "–"}


def test_a_word_stands_for_an_address_and_leads_there() -> None:
    properties = built(tables.log_rows("T", "", LINES, tables.INSPECTOR)).overrides["Inspector"]
    assert properties["links"] == [{"title": "Open in the inspector", "url": "${__value.raw}", "targetBlank": True}]
    assert properties["mappings"] == [
        {"type": "regex", "options": {"pattern": "/^(.+)$/", "result": {"text": "Open"}}},
    ]


def test_colours_are_for_whole_values() -> None:
    column = tables.Column("status", "Status", colors={"2..": house.GREEN})
    properties = built(tables.log_rows("T", "", LINES, column)).overrides["Status"]
    assert properties["mappings"] == [
        {"type": "regex", "options": {"pattern": "/^(2..)$/", "result": {"color": "green"}}},
    ]
    assert properties["custom.cellOptions"] == {"type": "color-text"}


def test_sums_are_put_into_the_columns_that_their_labels_name() -> None:
    sums = logged.dearest_sessions(LINES.expr)
    panel = built(tables.sum_rows("T", "", (tables.SESSION,), *sums))
    assert panel.steps["labelsToFields"].value_label == "column"
    assert [target.query_type for target in panel.targets] == ["instant"] * len(sums)
    assert all(f'"column", "{one.legend}", "", ""' in one.expr for one in sums)
    assert {one.legend for one in sums} < panel.overrides.keys()
    assert panel.overrides["Cost"]["unit"] == "currencyUSD"


def test_numbers_of_a_column_can_be_words() -> None:
    rows = house.rows("T", "", Signal("up", "none", "Up"))
    panel = built(tables.worded(rows, "Up", {1: ("yes", house.GREEN)}))
    assert panel.overrides["Up"]["mappings"] == [
        {"type": "value", "options": {"1": {"text": "yes", "color": "green"}}},
    ]
