"""The rules of Prometheus and Loki, their promtool cases and Alertmanager's routes, as they stand in the repository."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import msgspec
import promql_parser

ROOT = Path(__file__).parents[2]


class Rule(msgspec.Struct, frozen=True):
    """A recording rule has `record`, an alert `alert`."""

    expr: str
    record: str = ""
    alert: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class Group(msgspec.Struct, frozen=True):
    """Rules that are evaluated one after the other."""

    name: str
    rules: list[Rule]
    interval: str = ""


class _File(msgspec.Struct, frozen=True):
    groups: list[Group]


class Case(msgspec.Struct, frozen=True):
    """What promtool expects of one alert at one time: nothing, or these."""

    alertname: str
    exp_alerts: list[dict[str, dict[str, str]]] = []


class _Test(msgspec.Struct, frozen=True):
    name: str
    alert_rule_test: list[Case]


class _Tests(msgspec.Struct, frozen=True):
    tests: list[_Test]


class Route(msgspec.Struct, frozen=True):
    """Alerts with these labels."""

    matchers: list[str]


class Routing(msgspec.Struct, frozen=True):
    """The root of Alertmanager's routes."""

    group_by: list[str]
    routes: list[Route]


class Inhibition(msgspec.Struct, frozen=True):
    """What keeps what from being sent."""

    source_matchers: list[str]
    target_matchers: list[str]
    equal: list[str] = []


class Alertmanager(msgspec.Struct, frozen=True):
    """Its configuration, as far as it speaks of labels."""

    route: Routing
    inhibit_rules: list[Inhibition]


@cache
def groups(*files: str) -> tuple[Group, ...]:
    """Of the rule files that match these patterns, in order."""
    paths = [path for pattern in files for path in sorted(ROOT.glob(pattern))]
    return tuple(group for path in paths for group in msgspec.yaml.decode(path.read_bytes(), type=_File).groups)


def recorded() -> dict[str, str]:
    """Series that Prometheus records, with their expressions."""
    return {
        rule.record: rule.expr for group in groups("prometheus/rules/*.yaml") for rule in group.rules if rule.record
    }


def prometheus_alerts() -> dict[str, Rule]:
    """By name."""
    return _alerts("prometheus/rules/*.yaml")


def loki_alerts() -> dict[str, Rule]:
    """By name."""
    return _alerts("loki/rules/*/*.yaml")


def _alerts(files: str) -> dict[str, Rule]:
    return {rule.alert: rule for group in groups(files) for rule in group.rules if rule.alert}


def cases() -> Iterator[Case]:
    """Every promtool case."""
    for path in sorted(ROOT.glob("prometheus/tests/*.yaml")):
        for test in msgspec.yaml.decode(path.read_bytes(), type=_Tests).tests:
            yield from test.alert_rule_test


def alertmanager() -> Alertmanager:
    """Its configuration."""
    return msgspec.yaml.decode((ROOT / "alertmanager/config.yaml").read_bytes(), type=Alertmanager)


def nodes(expression: str) -> list[promql_parser.Expr]:
    """All parts of a PromQL expression. Raises ValueError for one that is not valid."""
    found: list[promql_parser.Expr] = []

    def visit(node: promql_parser.Expr) -> bool:
        found.append(node)
        return True

    promql_parser.walk(promql_parser.parse(expression), visit)
    return found


def selectors(expression: str) -> list[promql_parser.VectorSelector]:
    """All selectors of a PromQL expression, with and without a range."""
    found = [
        node.vector_selector if isinstance(node, promql_parser.MatrixSelector) else node for node in nodes(expression)
    ]
    return [node for node in found if isinstance(node, promql_parser.VectorSelector)]


def sections(document: str) -> dict[str, str]:
    """Text below each heading of the second level."""
    parts = re.split(r"^## (.+)\n", (ROOT / document).read_text("utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))
