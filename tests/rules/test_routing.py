"""Alertmanager speaks of labels that alerts have; what it does is seen in `tests/stack/test_alert_path.py`."""

from __future__ import annotations

import re

from tests.rules.reading import alertmanager, loki_alerts, prometheus_alerts

ALERTS = {**prometheus_alerts(), **loki_alerts()}
MATCHER = re.compile(r'(\w+)=(~?)"([^"]*)"')


def matched(matcher: str) -> list[str]:
    """Alerts with such a label."""
    found = MATCHER.fullmatch(matcher)
    assert found, matcher
    label, _, pattern = found.groups()
    labels = {name: {**alert.labels, "alertname": name} for name, alert in ALERTS.items()}
    return [name for name, each in labels.items() if re.fullmatch(pattern, each.get(label, ""))]


def test_every_matcher_finds_alerts() -> None:
    config = alertmanager()
    matchers = [matcher for route in config.route.routes for matcher in route.matchers]
    for rule in config.inhibit_rules:
        matchers += [*rule.source_matchers, *rule.target_matchers]
    assert [matcher for matcher in matchers if not matched(matcher)] == []


def test_loss_is_told_whoever_is_down() -> None:
    losses = {name for name, alert in ALERTS.items() if alert.labels["family"] == "loss"}
    assert losses
    down = [rule for rule in alertmanager().inhibit_rules if "family" not in rule.equal]
    assert [
        name for rule in down for matcher in rule.target_matchers for name in matched(matcher) if name in losses
    ] == []


def test_one_alert_gives_way_to_another_of_the_same_thing_only() -> None:
    """Alerts of one family that tell things apart by a label must have it compared."""
    graded = [rule for rule in alertmanager().inhibit_rules if "family" in rule.equal]
    assert len(graded) == 2
    for rule in graded:
        assert {"endpoint", "account", "window", "scope", "name", "kind"} <= set(rule.equal)
