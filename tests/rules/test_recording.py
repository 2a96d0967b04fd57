"""Recording rules ask for what exists, and say the same thing about every window."""

from __future__ import annotations

import re
from collections import defaultdict
from math import prod

import promql_parser
import pytest

from proxy.exchange import Outcome
from proxy.names.metrics import INSTRUMENTS, Kind
from proxy.observer.exposition import label_name, prometheus_name
from tests.rules.reading import nodes, prometheus_alerts, recorded, selectors

OF_OTHERS = {
    "up",
    "otelcol_exporter_queue_size",
    "otelcol_exporter_queue_capacity",
    "loki_discarded_samples_total",
    "loki_prometheus_rule_evaluation_failures_total",
    "prometheus_tsdb_too_old_samples_total",
    "prometheus_rule_evaluation_failures_total",
    "prometheus_notifications_dropped_total",
    "alertmanager_notifications_failed_total",
}
"""`tests/stack/test_rules.py` finds them on the real servers."""
SECONDS = {"h": 3_600, "d": 86_400}
OURS = {prometheus_name(one): one for one in INSTRUMENTS}
EXPRESSIONS = {**recorded(), **{name: alert.expr for name, alert in prometheus_alerts().items()}}


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_every_metric_asked_for_exists_and_has_the_labels_asked_for(name: str) -> None:
    for selector in selectors(EXPRESSIONS[name]):
        if selector.name is None or selector.name in OF_OTHERS | recorded().keys():
            continue
        histogram = selector.name.removesuffix("_bucket")
        instrument = OURS[histogram]
        assert (instrument.kind is Kind.HISTOGRAM) == (histogram != selector.name)
        labels = {label_name(attribute) for attribute in instrument.attributes} | {"le", "otel_metric_overflow"}
        assert {matcher.name for matcher in selector.matchers.matchers} <= labels


def test_names_say_what_they_are_by() -> None:
    prefixes = {name.partition(":")[0] for name in recorded()}
    assert prefixes == {"endpoint", "objective", "exporter", "job", "proxy_relay_loop_stall_ms"}
    for name, expression in recorded().items():
        by = set(re.findall(r"(?:sum|group) by \(([\w, ]+)\)", expression))
        if name.startswith("endpoint:") and by:
            assert by <= {"endpoint", "endpoint, le"}, name


def test_every_window_of_a_series_asks_the_same() -> None:
    asked: defaultdict[str, set[str]] = defaultdict(set)
    for name, expression in recorded().items():
        series, window = re.sub(r"\d+[mhd]$", "", name), re.findall(r"\d+[mhd]$", name)
        if window and "objective" not in name and "increase" not in name:
            asked[series].add(expression.replace(window[0], "WINDOW"))
    assert len(asked) >= 8
    assert {series: each for series, each in asked.items() if len(each) > 1} == {}


def test_an_increase_is_the_rate_times_the_seconds_of_its_window() -> None:
    increases = {name: expression for name, expression in recorded().items() if ":proxy_failures:increase" in name}
    assert len(increases) == 4
    for name, expression in increases.items():
        number, unit = re.findall(r"(\d+)([hd])$", name)[0]
        factors = [node.val for node in nodes(expression) if isinstance(node, promql_parser.NumberLiteral)]
        assert prod(factors) == int(number) * SECONDS[unit], name
        assert {one.name for one in selectors(expression)} == {
            f"endpoint:proxy_failures:ratio_rate{number}{unit}",
            f"endpoint:proxy_requests:rate{number}{unit}",
        }


def test_what_counts_and_what_fails_are_outcomes_that_exist() -> None:
    spoken = {
        word
        for expression in EXPRESSIONS.values()
        for selector in selectors(expression)
        for matcher in selector.matchers.matchers
        if matcher.name == "outcome"
        for word in matcher.value.split("|")
    }
    assert spoken - {"upstream_.+"} <= set(Outcome)
    assert {"ok", "client_disconnected", "rejected", "proxy_error", "error_in_stream", "truncated"} <= spoken
