"""What every panel has, found by walking the generated files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dashboards import house
from dashboards.signals.signal import Signal, Source
from tests.dashboards.walking import Panel, plots

ROOT = Path(__file__).parents[2]
WITHOUT_NUMBERS = {"text", "logs"}
AT_ONE_INSTANT = {"stat", "gauge", "bargauge"}
LABEL = re.compile(r"\{\{\s*(\w+)\s*\}\}")
VALUES = {
    "status_code": ("200", "404", "502"),
    "model": ("new-model", "other", "(none)"),
    "reason": ("disk_full",),
    "outcome": ("ok", "rejected", "truncated"),
    "billing": ("pay_as_you_go", "subscription", "free"),
}


@pytest.fixture(params=[pytest.param(panel, id=name) for name, panel in plots()])
def panel(request: pytest.FixtureRequest) -> Panel:
    """Each panel of each dashboard."""
    found: Panel = request.param
    return found


def test_a_panel_says_what_it_shows_and_what_its_numbers_are(panel: Panel) -> None:
    assert panel.description.endswith("."), panel.description
    assert len(panel.description) > 20
    units = {
        str(one["value"]) for rule in panel.field_config.overrides for one in rule.properties if one["id"] == "unit"
    }
    assert panel.type in WITHOUT_NUMBERS or panel.field_config.defaults.unit or units


def test_a_panel_says_plainly_that_there_is_nothing(panel: Panel) -> None:
    """Grafana shows `noValue` for an answer without series, too: `getMessageFor` in its `PanelDataErrorView.tsx`."""
    assert panel.type == "text" or len(panel.field_config.defaults.no_value) > 3


def test_a_panel_asks_for_what_it_shows(panel: Panel) -> None:
    """D-12: one value is one instant query, not a range of which all but the last value is thrown away."""
    for target in panel.targets:
        instant = target.query_type == "instant" if target.datasource.type == "loki" else target.instant
        lists_lines = target.expr.startswith("{")
        assert instant is (panel.type in AT_ONE_INSTANT or (panel.type == "table" and not lists_lines))
        assert target.datasource == panel.datasource


def test_ref_ids_are_unique(panel: Panel) -> None:
    assert len({target.ref_id for target in panel.targets}) == len(panel.targets)


def test_overrides_meet_a_series_that_the_panel_can_show(panel: Panel) -> None:
    """D-3: colours that never apply."""
    if panel.type == "table":
        return
    shown = {name for target in panel.targets for name in series_names(target.legend_format)}
    for rule in panel.field_config.overrides:
        assert rule.matcher.id == "byRegexp"
        pattern = re.compile(rule.matcher.options.strip("/"))
        assert any(pattern.search(name) for name in shown), f"{rule.matcher.options} meets none of {shown}"


def series_names(legend: str) -> set[str]:
    names = {legend}
    for label in LABEL.findall(legend):
        values = VALUES.get(label, ("x", "(none)"))
        names = {re.sub(r"\{\{\s*" + label + r"\s*\}\}", value, name) for name in names for value in values}
    return names


def test_fullness_changes_colour_where_alerts_fire() -> None:
    """Grafana's thresholds are no queries, so the objectives stand there a second time."""
    said = (ROOT / "prometheus" / "rules" / "objectives.yaml").read_text("utf-8")
    objectives = re.findall(r'"objective:window_(?:filling|nearly_full):percent", expr: "(\d+)"', said)
    assert len(objectives) == 2
    assert {float(value) for value in objectives} <= {value for value, _ in house.FULL}


def test_titles_and_descriptions_are_not_copied_within_a_page() -> None:
    found = [(name.partition(":")[0], panel.description) for name, panel in plots()]
    assert len(set(found)) == len(found), {pair for pair in found if found.count(pair) > 1}


def test_quantiles_of_what_is_sent_by_otlp_show_the_traces_behind_them() -> None:
    shown = {
        target.expr: target.exemplar for _, panel in plots() for target in panel.targets if panel.type == "timeseries"
    }
    quantiles = {expr: on for expr, on in shown.items() if "histogram_quantile" in expr}
    assert {on for expr, on in quantiles.items() if "proxy_request_" in expr} == {True}
    assert {on for expr, on in quantiles.items() if "ledger" in expr or "loop_stall" in expr} == {False}


def test_signals_of_several_data_sources_cannot_share_a_panel() -> None:
    with pytest.raises(ValueError, match="too many values"):
        house.lines("Mixed", "", Signal("up", "none"), Signal("{}", "none", source=Source.LOKI))


def test_columns_of_a_table_are_named_and_have_units_of_their_own() -> None:
    table = house.rows("T", "", Signal("a", "percent", "Used"), Signal("b", "s", "Left")).build()
    organize = table.transformations[1].options if table.transformations else {}
    assert organize == {"excludeByName": {"Time": True}, "renameByName": {"Value #A": "Used", "Value #B": "Left"}}
    assert table.field_config is not None
    rules = {rule.matcher.options: [one.value for one in rule.properties] for rule in table.field_config.overrides}
    assert rules == {"Used": ["percent", "–"], "Left": ["s", "–"]}
