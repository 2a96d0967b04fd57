"""The totals as OTLP points."""

from __future__ import annotations

from decimal import Decimal

from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric

from proxy.names import metrics
from proxy.observer import export_metrics
from proxy.observer.export_metrics import Exemplars
from proxy.observer.table import Exemplar, Point, Series, Table
from tests.receiver import values

STARTED, NOW = 1_000_000_000, 5_000_000_000
CUMULATIVE = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE


def series() -> list[Series]:
    table = Table()
    draft = table.draft(STARTED)
    draft.add(metrics.COST, Decimal("0.3"), "default", "claude-sonnet-4-6", "free")
    draft.add(metrics.TOKENS_INPUT, 4, "default", None)
    draft.observe(metrics.REQUEST_TTFT, [60.0], "default", "other", origins=[Exemplar(10, 11, 12)])
    draft.put(metrics.KEY_INFO, 1, "caller-ab", None, None)
    table.commit(draft)
    return table.snapshot()


def sent(
    zero_ns: int | None = None, gauges: tuple[Point, ...] = (), exemplars: Exemplars | None = None
) -> dict[str, Metric]:
    found = export_metrics.metrics(
        series(), gauges, NOW, lambda _: zero_ns, lambda one: one.exemplars if exemplars is None else exemplars
    )
    return {metric.name: metric for metric in found}


def test_counters_are_cumulative_and_monotonic() -> None:
    found = sent()
    tokens, cost = found["proxy.tokens.input"], found["proxy.cost"]
    assert (tokens.unit, cost.unit, tokens.description) == ("{token}", "{usd}", "Uncached input tokens")
    for metric in (tokens, cost):
        assert metric.sum.is_monotonic
        assert metric.sum.aggregation_temporality == CUMULATIVE
    (point,) = tokens.sum.data_points
    assert (point.start_time_unix_nano, point.time_unix_nano, point.as_int) == (STARTED, NOW, 4)
    assert values(point.attributes) == {"endpoint": "default"}
    assert cost.sum.data_points[0].as_double == 0.3


def test_histograms_carry_buckets_and_exemplars() -> None:
    metric = sent()["proxy.request.ttft_ms"]
    assert metric.histogram.aggregation_temporality == CUMULATIVE
    (point,) = metric.histogram.data_points
    assert (point.count, point.sum, list(point.bucket_counts)) == (1, 60.0, [0, 1, *[0] * 10])
    assert list(point.explicit_bounds) == list(metrics.REQUEST_TTFT.buckets)
    assert not point.HasField("min")
    (exemplar,) = point.exemplars
    assert (exemplar.as_double, exemplar.trace_id.hex(), exemplar.span_id.hex(), exemplar.time_unix_nano) == (
        60.0,
        f"{10:032x}",
        f"{11:016x}",
        12,
    )
    assert not sent(exemplars={})["proxy.request.ttft_ms"].histogram.data_points[0].exemplars


def test_a_new_series_has_a_zero_before_its_first_point() -> None:
    found = sent(zero_ns=NOW - 1_000_000)
    zero, point = found["proxy.tokens.input"].sum.data_points
    assert (zero.time_unix_nano, zero.as_int, point.as_int) == (NOW - 1_000_000, 0, 4)
    empty, full = found["proxy.request.ttft_ms"].histogram.data_points
    assert (empty.count, empty.sum, sum(empty.bucket_counts), full.count) == (0, 0.0, 0, 1)
    assert found["proxy.cost"].sum.data_points[0].as_double == 0.0
    assert len(found["proxy.key.info"].gauge.data_points) == 1


def test_gauges_of_the_moment_come_with_the_totals() -> None:
    found = sent(gauges=((metrics.USAGE_RESETS_AT, ("5h",), 1_795_010_000), (metrics.USAGE_UTILIZATION, ("5h",), 37.5)))
    assert found["proxy.usage.resets_at"].gauge.data_points[0].as_int == 1_795_010_000
    assert found["proxy.usage.utilization"].gauge.data_points[0].as_double == 37.5
    assert found["proxy.usage.utilization"].unit == ""


def test_the_health_family_is_not_sent() -> None:
    table = Table()
    draft = table.draft(STARTED)
    draft.add(metrics.READ_ERRORS, 1)
    table.commit(draft)
    assert export_metrics.metrics(table.snapshot(), (), NOW, lambda _: None, lambda _: {}) == []
