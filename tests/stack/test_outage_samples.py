"""How long an outage of Prometheus the samples themselves survive: a day; the totals survive any."""

from __future__ import annotations

import time
from pathlib import Path

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AggregationTemporality,
    Metric,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)

from tests.stack.backlog import identity, post, text
from tests.stack.own_metrics import of_collector, queued
from tests.stack.reading_back import prometheus
from tests.stack.running import prepared_stack, wait_until

_S = 10**9
_DAY_S = 86_400
_AGES_S = range(150, 26 * 3_600, 300)
"""Of the exports that wait, from the newest to the oldest."""
_SERIES = 20
_FAILED = "otelcol_exporter_send_failed_metric_points"
_DELIVERED_SECONDS = 60.0


def _export(at_ns: int, name: str, values: dict[str, int]) -> bytes:
    points = [
        NumberDataPoint(attributes=[text("series", series)], time_unix_nano=at_ns, as_int=value)
        for series, value in values.items()
    ]
    total = Sum(
        data_points=points,
        aggregation_temporality=AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE,
        is_monotonic=True,
    )
    scoped = ScopeMetrics(metrics=[Metric(name=name, sum=total)])
    resource = ResourceMetrics(resource=identity("one"), scope_metrics=[scoped])
    return ExportMetricsServiceRequest(resource_metrics=[resource]).SerializeToString()


def test_samples_of_a_day_outlive_an_outage_and_the_total_any(tmp_path: Path) -> None:
    """What is older is refused export by export, and seen where the collector counts it."""
    stack = prepared_stack(tmp_path)
    now_ns = time.time_ns()
    sent = {age: len(_AGES_S) - number for number, age in enumerate(_AGES_S)}
    with stack.running("prometheus"):
        # As by its scrapes: from then on, what is queued is old, whenever it comes.
        post(f"{stack.prometheus}/api/v1/otlp/v1/metrics", _export(now_ns, "newest", {"": 1}))
    with stack.running("otel-collector"):
        for age in reversed(_AGES_S):
            values = {f"number {number}": sent[age] for number in range(_SERIES)}
            post(f"{stack.otlp}/v1/metrics", _export(now_ns - age * _S, "exports", values))
        with stack.running("prometheus"):
            wait_until(lambda: queued(stack, "metrics") == 0, "an empty queue", _DELIVERED_SECONDS)
            found = prometheus(stack.prometheus).instant('exports_total{series="number 0"}[27h]', now_ns / _S)
            refused = of_collector(stack, _FAILED)
    samples = {round(now_ns / _S - at): value for one in found for at, value in one.points}
    assert samples == {age: number for age, number in sent.items() if age < _DAY_S}
    assert refused == _SERIES * (len(sent) - len(samples)) > 0
