"""Numbers are in the unit that their panel names, and over the time that its description names."""

from __future__ import annotations

import re

import pytest

from tests.dashboards.walking import Panel, Target, plots

UNITS = {
    r"_ms_milliseconds|_ms:p": {"ms"},
    r"proxy_cost_": {"currencyUSD"},
    r"_bytes": {"bytes", "decbytes"},
    r"utilization|_percent": {"percent"},
    r"time\(\)|_seconds": {"s"},
}
"""What is in a query → units that it can have."""
NOT_ITS_OWN = re.compile(r" / |\bby \(le\) \(increase|\* 1000$|\* 0 \+")
"""Shares, counts in buckets, dates in milliseconds, and numbers that stand for words."""
SECONDS = {"minute": 60, "hour": 3_600}
OF_RATES = {"reqps", "cps"}

TARGETS = [
    pytest.param(panel, target, id=f"{name} {target.ref_id}")
    for name, panel in plots()
    for target in panel.targets
    if target.datasource.type == "prometheus"
]


def unit(panel: Panel, target: Target) -> object:
    """That of its column in a table, else that of the panel."""
    columns = {
        rule.matcher.options: one["value"]
        for rule in panel.field_config.overrides
        for one in rule.properties
        if one["id"] == "unit"
    }
    return columns.get(target.legend_format, panel.field_config.defaults.unit)


@pytest.mark.parametrize(("panel", "target"), TARGETS)
def test_a_number_has_the_unit_of_what_is_asked_for(panel: Panel, target: Target) -> None:
    possible = [units for pattern, units in UNITS.items() if re.search(pattern, target.expr)]
    if possible and not NOT_ITS_OWN.search(target.expr):
        assert unit(panel, target) in possible[0]


@pytest.mark.parametrize(("panel", "target"), TARGETS)
def test_what_is_told_per_minute_or_hour_is_asked_so(panel: Panel, target: Target) -> None:
    is_share = "histogram_quantile" in target.expr or "> 0" in target.expr
    if "rate(" in target.expr and not is_share:
        said = re.search(r"per (minute|hour)", panel.description, re.IGNORECASE)
        factors = {int(factor) for factor in re.findall(r"\* (\d+)", target.expr)} - {0}
        assert factors == ({SECONDS[said[1]]} if said else set())
        assert (unit(panel, target) in OF_RATES) is (said is None)
