"""Queries: written once, valid, and about names that exist. The real servers answer them in `tests/stack`."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import promql_parser
import pytest

from dashboards.signals import logged, requests
from proxy.names.fields import FIELDS
from proxy.names.metrics import INSTRUMENTS, Instrument, Kind
from proxy.observer.exposition import label_name, prometheus_name
from tests.dashboards.walking import filled, plots, queries, texts
from tests.rules.reading import nodes, recorded, selectors

ROOT = Path(__file__).parents[2]
ON_ALL = {"job", "instance", "otel_metric_overflow"}
OF_THE_STACK = {
    "up": set[str](),
    "ALERTS": {"alertname", "alertstate", "severity"},
    "otelcol_exporter_queue_size": {"exporter", "data_type"},
    "otelcol_exporter_queue_capacity": {"exporter", "data_type"},
    "otelcol_exporter_send_failed_log_records": {"exporter"},
    "otelcol_exporter_send_failed_metric_points": {"exporter"},
    "otelcol_exporter_send_failed_spans": {"exporter"},
    "otelcol_process_memory_rss": set[str](),
    "otelcol_receiver_accepted_log_records": {"receiver", "transport"},
    "otelcol_receiver_accepted_metric_points": {"receiver", "transport"},
    "otelcol_receiver_accepted_spans": {"receiver", "transport"},
    "otelcol_receiver_refused_log_records": {"receiver", "transport"},
    "otelcol_receiver_refused_metric_points": {"receiver", "transport"},
    "otelcol_receiver_refused_spans": {"receiver", "transport"},
    "prometheus_rule_evaluation_failures_total": {"rule_group"},
    "prometheus_rule_group_interval_seconds": {"rule_group"},
    "prometheus_rule_group_last_duration_seconds": {"rule_group"},
    "prometheus_tsdb_head_series": set[str](),
    "prometheus_tsdb_too_old_samples_total": {"type"},
    "loki_discarded_samples_total": {"reason", "tenant"},
    "loki_prometheus_rule_evaluation_failures_total": {"rule_group", "user"},
    "loki_prometheus_rule_group_interval_seconds": {"rule_group", "user"},
    "loki_prometheus_rule_group_last_duration_seconds": {"rule_group", "user"},
    "alertmanager_alerts": {"state"},
    "alertmanager_notifications_failed_total": {"integration", "reason"},
}
"""As Prometheus 3.14, Loki 3.7.8, Alertmanager 0.31.1 and the Collector 0.159.0 with our configuration show them."""
BESIDE_FIELDS = {"__error__", "trace_id", "service_name", "detected_level"}
"""Labels that Loki or OTLP add to our fields."""


def sent(instrument: Instrument) -> dict[str, set[str]]:
    name, labels = prometheus_name(instrument), {label_name(each) for each in instrument.attributes}
    if instrument.kind is not Kind.HISTOGRAM:
        return {name: labels}
    return {f"{name}_bucket": labels | {"le"}, f"{name}_count": labels, f"{name}_sum": labels}


RECORDED = {name: {"endpoint"} if name.startswith("endpoint:") else set() for name in recorded()}
"""Recording rules are named after the labels they keep: `endpoint:what:how`."""
KNOWN = {**OF_THE_STACK, **RECORDED, **{name: labels for one in INSTRUMENTS for name, labels in sent(one).items()}}
PROMQL = [pytest.param(expr, id=name) for name, expr in queries("prometheus")]
LOGQL = [pytest.param(expr, id=name) for name, expr in queries("loki")]


@pytest.mark.parametrize("expression", PROMQL)
def test_promql_is_valid_and_asks_for_metrics_that_exist_by_labels_that_they_have(expression: str) -> None:
    for selector in selectors(filled(expression)):
        labels = {matcher.name for matcher in selector.matchers.matchers}
        if selector.name is None:
            assert labels == {"__name__", "otel_metric_overflow"}
        else:
            assert selector.name in KNOWN
            assert labels <= KNOWN[selector.name] | ON_ALL


@pytest.mark.parametrize("expression", PROMQL)
def test_promql_groups_by_labels_that_its_metrics_have(expression: str) -> None:
    for aggregation in nodes(filled(expression)):
        if not isinstance(aggregation, promql_parser.AggregateExpr):
            continue
        wanted = set(aggregation.modifier.labels) if aggregation.modifier else set()
        for selector in selectors(aggregation.expr.prettify()):
            assert wanted <= KNOWN.get(selector.name or "", wanted) | ON_ALL, selector.name


@pytest.mark.parametrize("expression", [*PROMQL, *LOGQL])
def test_no_rate_has_a_fixed_range(expression: str) -> None:
    """D-12"""
    assert not re.search(r"\b(rate|irate|increase|delta|deriv)\([^\[]*\[\d", expression)


@pytest.mark.parametrize(
    "expression", [pytest.param(t.expr, id=name) for name, panel in plots() for t in panel.targets]
)
def test_nothing_is_said_to_be_zero_where_nothing_is_known(expression: str) -> None:
    assert "vector(" not in expression


def test_requests_count_for_failures_by_the_same_filters_everywhere() -> None:
    filters = [
        set(re.findall(r'(outcome|status)(?:_code)?!~"([^"]+)"', text))
        for text in (recorded()["endpoint:proxy_requests:rate5m"], requests.FAILURES.expr, logged.JUDGED)
    ]
    assert filters == [{("outcome", "client_disconnected|rejected"), ("status", "4..")}] * 3


@pytest.mark.parametrize("expression", LOGQL)
def test_logql_begins_with_the_service_and_asks_for_fields_that_records_have(expression: str) -> None:
    assert '{service_name="anthropic-proxy"}' in expression
    assert fields_in(expression) <= {field.name for field in FIELDS} | BESIDE_FIELDS


def fields_in(expression: str) -> set[str]:
    """Fields that a query filters, unwraps or groups by."""
    bare = re.sub(r'"[^"]*"|`[^`]*`', '""', expression)
    grouped = [
        name for names in re.findall(r"\b(?:by|without)\s*\(([^)]*)\)", bare) for name in re.split(r"[,\s]+", names)
    ]
    filters = re.findall(r"(?:\||\band\b|\bor\b|\()\s*(\w+)\s*(?:=~|!~|!=|>=|<=|=|>|<)", bare)
    return {name for name in [*grouped, *filters, *re.findall(r"\bunwrap\s+(?:\w+\()?(\w+)", bare)] if name}


def test_a_field_is_found_wherever_logql_names_it() -> None:
    lines = '{s="x"} |= "c" | d="1" | e>2 or f=~".*" | unwrap duration(g) | __error__=""'
    query = f"sum by (a, b) (sum_over_time({lines} [1m]))"
    assert fields_in(query) == {"a", "b", "d", "e", "f", "g", "__error__"}


def test_legends_name_labels_that_their_queries_keep() -> None:
    for name, panel in plots():
        for target in panel.targets:
            wanted = set(re.findall(r"\{\{\s*(\w+)\s*\}\}", target.legend_format))
            kept = {
                label
                for labels in re.findall(r"\bby\s*\(([^)]*)\)", target.expr)
                for label in re.split(r"[,\s]+", labels)
            }
            assert wanted <= kept, f"{name}: {target.legend_format}"


def test_no_model_is_named() -> None:
    """D-2: whatever model comes, it is shown like all others."""
    for uid, text in texts().items():
        assert not re.search(r"claude|opus|sonnet|haiku|gpt", text, re.IGNORECASE), uid


def test_a_question_is_asked_once_on_a_page() -> None:
    found = Counter(
        (name.partition(":")[0], panel.title, target.expr) for name, panel in plots() for target in panel.targets
    )
    assert {key for key, count in found.items() if count > 1} == set()


def test_queries_are_written_in_signals_only() -> None:
    wrong = [
        f"{path.name}:{line} {text}"
        for path in sorted((ROOT / "dashboards").glob("*.py"))
        for text, line in strings(path)
        if re.search(r"\bproxy_[a-z]|service_name=|\b(rate|sum|max|increase|histogram_quantile|label_values)\(", text)
    ]
    assert wrong == []


def strings(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value, node.lineno
