"""The totals as OTLP: cumulative sums and histograms, built by hand because SDK instruments restart with the process.

A series that the receiver has not seen gets a point of 0 just before its first one, so that `increase()` counts
from the first event on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal

from opentelemetry.sdk.metrics import Exemplar as OtelExemplar
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from proxy.names.metrics import INSTRUMENTS, Channel, Instrument, Kind
from proxy.observer.table import Exemplar, Label, Series

_CUMULATIVE = AggregationTemporality.CUMULATIVE

Exemplars = Mapping[int, tuple[float, Exemplar]]
"""By bucket: value and origin."""


def metrics_data(
    series: Iterable[Series],
    gauges: Iterable[tuple[Instrument, tuple[Label, ...], int | float]],
    now_ns: int,
    zero_ns: Callable[[Series], int | None],
    exemplars: Callable[[Series], Exemplars],
    resource: Resource,
    scope: InstrumentationScope,
) -> MetricsData:
    """All series that are sent by OTLP, as they are at `now_ns`.

    `zero_ns` is when a series was 0, None if the receiver knows it already; `exemplars` those not sent before.
    """
    points: defaultdict[str, list[NumberDataPoint | HistogramDataPoint]] = defaultdict(list)
    for one in series:
        if one.instrument.channel is Channel.OTLP:
            zero = None if one.instrument.kind is Kind.GAUGE else zero_ns(one)
            if zero is not None:
                points[one.instrument.name].append(_point(one, zero, {}, empty=True))
            points[one.instrument.name].append(_point(one, now_ns, exemplars(one), empty=False))
    for instrument, labels, value in gauges:
        one = Series(instrument, labels, now_ns, value)
        points[instrument.name].append(_point(one, now_ns, {}, empty=False))
    metrics = [_metric(instrument, points[instrument.name]) for instrument in INSTRUMENTS if points[instrument.name]]
    scoped = ScopeMetrics(scope, metrics, scope.schema_url or "")
    return MetricsData([ResourceMetrics(resource, [scoped], resource.schema_url)])


def _point(one: Series, at_ns: int, exemplars: Exemplars, *, empty: bool) -> NumberDataPoint | HistogramDataPoint:
    attributes = one.named_labels
    start_ns = min(one.started_ns, at_ns)
    if one.instrument.kind is not Kind.HISTOGRAM:
        value = float(one.value) if isinstance(one.value, Decimal) else one.value
        return NumberDataPoint(attributes, start_ns, at_ns, type(value)(0) if empty else value)
    counts = [0] * len(one.buckets) if empty else one.buckets
    return HistogramDataPoint(
        attributes=attributes,
        start_time_unix_nano=start_ns,
        time_unix_nano=at_ns,
        count=sum(counts),
        sum=0.0 if empty else float(one.value),
        bucket_counts=counts,
        explicit_bounds=one.instrument.buckets,
        min=None,  # type: ignore[arg-type]  # optional in OTLP, and the totals do not keep extremes
        max=None,  # type: ignore[arg-type]
        exemplars=[
            OtelExemplar({}, float(value), origin.time_ns, origin.span_id, origin.trace_id)
            for value, origin in exemplars.values()
        ],
    )


def _metric(instrument: Instrument, points: Sequence[NumberDataPoint | HistogramDataPoint]) -> Metric:
    numbers = [point for point in points if isinstance(point, NumberDataPoint)]
    data: Sum | Gauge | Histogram
    if instrument.kind is Kind.COUNTER:
        data = Sum(numbers, _CUMULATIVE, is_monotonic=True)
    elif instrument.kind is Kind.GAUGE:
        data = Gauge(numbers)
    else:
        data = Histogram([point for point in points if isinstance(point, HistogramDataPoint)], _CUMULATIVE)
    return Metric(instrument.name, instrument.description, instrument.unit, data)
