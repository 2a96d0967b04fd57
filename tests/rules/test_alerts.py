"""Alerts are complete: labels, words, runbook, a case that fires and one that does not; and no threshold is hidden."""

from __future__ import annotations

import re

import msgspec
import promql_parser
import pytest

from proxy.names.fields import FIELDS
from tests.rules.reading import (
    ROOT,
    Rule,
    cases,
    groups,
    loki_alerts,
    nodes,
    prometheus_alerts,
    recorded,
    sections,
    selectors,
)
from tests.stack.refusals import NEAR_MISSES, REFUSALS

ALERTS = {**prometheus_alerts(), **loki_alerts()}
ADDED_BY_LOKI = {"service_name"}
MILLISECONDS = 1000
"""In a second: a unit is no threshold."""


class _Job(msgspec.Struct):
    job_name: str


class _Config(msgspec.Struct):
    scrape_configs: list[_Job]


def test_names_are_unique() -> None:
    every = [rule.alert for group in groups("prometheus/rules/*.yaml", "loki/rules/*/*.yaml") for rule in group.rules]
    named = [name for name in every if name]
    assert len(named) == len(set(named)) == len(ALERTS) > 35
    assert [name for name in named if not re.fullmatch(r"AnthropicProxy([A-Z][a-z]+)+", name)] == []


@pytest.mark.parametrize("name", ALERTS)
def test_every_alert_says_how_bad_it_is_what_happened_and_what_to_do(name: str) -> None:
    alert = ALERTS[name]
    assert alert.labels.keys() == {"severity", "family"}
    assert alert.labels["severity"] in ("page", "warning", "info")
    assert alert.annotations.keys() == {"summary", "description", "runbook_url"}
    assert alert.annotations["runbook_url"] == f"docs/runbooks.md#{name.lower()}"
    assert len(re.sub(r"\{\{ \$labels\.(\w+) \}\}", r"\1", alert.annotations["summary"])) < 80


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    written = {title: text for title, text in sections("docs/runbooks.md").items() if title.startswith("Anthropic")}
    assert written.keys() == ALERTS.keys()
    assert [title for title, text in written.items() if len(text.split()) < 30] == []


def test_every_alert_of_prometheus_has_a_case_that_fires_and_one_that_does_not() -> None:
    fires = {case.alertname for case in cases() if case.exp_alerts}
    is_silent = {case.alertname for case in cases() if not case.exp_alerts}
    assert fires == is_silent == prometheus_alerts().keys()


def test_every_alert_of_loki_has_requests_that_fire_it_and_some_that_do_not() -> None:
    assert REFUSALS.keys() == NEAR_MISSES.keys() == loki_alerts().keys()


@pytest.mark.parametrize("alert", prometheus_alerts().values(), ids=prometheus_alerts())
def test_thresholds_are_objectives_unless_any_at_all_is_too_much(alert: Rule) -> None:
    numbers = {node.val for node in nodes(alert.expr) if isinstance(node, promql_parser.NumberLiteral)}
    assert numbers <= {0, 1, MILLISECONDS}
    known = {name for name in recorded() if "objective" in name.partition(":")[0] + name.split(":")[1]}
    assert {one.name for one in selectors(alert.expr) if one.name and "objective" in one.name} <= known


def test_every_objective_is_compared_with() -> None:
    every = {rule.record for group in groups("prometheus/rules/objectives.yaml") for rule in group.rules}
    used = {one.name for alert in prometheus_alerts().values() for one in selectors(alert.expr)}
    used |= {one.name for name, expr in recorded().items() if name in every for one in selectors(expr)}
    assert every - used == set()


def test_every_objective_has_its_reason() -> None:
    lines = (ROOT / "prometheus/rules/objectives.yaml").read_text("utf-8").splitlines()
    rules = [number for number, line in enumerate(lines) if line.lstrip().startswith(("- record:", "- {record:"))]
    bare = []
    for number in rules:
        # A reason stands above its rule, or above the first of several rules of one line.
        first = next(n for n in range(number - 1, 0, -1) if not lines[n].lstrip().startswith("- {record:"))
        if not lines[first].lstrip().startswith("#"):
            bare.append(lines[number])
    assert bare == []


def test_every_target_that_is_scraped_is_missed_when_it_is_gone() -> None:
    config = msgspec.yaml.decode((ROOT / "prometheus/config.yaml").read_bytes(), type=_Config)
    scraped = {job.job_name for job in config.scrape_configs}
    missed = [ALERTS[name].expr for name in ("AnthropicProxyDown", "AnthropicProxyTargetDown")]
    assert set(re.findall(r'absent\(up\{job="([\w-]+)"\}\)', " ".join(missed))) == scraped


@pytest.mark.parametrize("alert", loki_alerts().values(), ids=loki_alerts())
def test_loki_is_asked_for_fields_that_records_have(alert: Rule) -> None:
    asked = set(re.findall(r'(\w+)(?:=~|!~|!=|=)"', alert.expr))
    asked |= {name.strip() for names in re.findall(r"by \(([\w, ]+)\)", alert.expr) for name in names.split(",")}
    assert asked <= {field.name for field in FIELDS} | ADDED_BY_LOKI
    assert set(re.findall(r"\$labels\.(\w+)", str(alert.annotations))) <= asked
