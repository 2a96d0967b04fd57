"""The totals as OTLP: cumulative sums and histograms, built by hand because SDK instruments restart with the process.

A series that the receiver has not seen gets a point of 0 just before its first one, so that `increase()` counts
from the first event on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1 import metrics_pb2 as otlp

from proxy.names.metrics import INSTRUMENTS, Channel, Instrument, Kind
from proxy.observer.table import Exemplar, Point, Series

_CUMULATIVE = otlp.AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE

Exemplars = Mapping[int, tuple[float, Exemplar]]
"""By bucket: value and origin."""
_Point = otlp.NumberDataPoint | otlp.HistogramDataPoint


def metrics(
    series: Iterable[Series],
    gauges: Iterable[Point],
    now_ns: int,
    zero_ns: Callable[[Series], int | None],
    exemplars: Callable[[Series], Exemplars],
) -> list[otlp.Metric]:
    """All series that are sent by OTLP, as they are at `now_ns`.

    `zero_ns` is when a series was 0, None if the receiver knows it already; `exemplars` those not sent before.
    """
    points: defaultdict[str, list[_Point]] = defaultdict(list)
    for one in series:
        if one.instrument.channel is Channel.OTLP:
            zero = None if one.instrument.kind is Kind.GAUGE else zero_ns(one)
            if zero is not None:
                points[one.instrument.name].append(_point(one, zero, {}, empty=True))
            points[one.instrument.name].append(_point(one, now_ns, exemplars(one), empty=False))
    for instrument, labels, value in gauges:
        one = Series(instrument, labels, now_ns, value)
        points[instrument.name].append(_point(one, now_ns, {}, empty=False))
    return [_metric(instrument, points[instrument.name]) for instrument in INSTRUMENTS if points[instrument.name]]


def _point(one: Series, at_ns: int, exemplars: Exemplars, *, empty: bool) -> _Point:
    attributes = [KeyValue(key=name, value=_any(value)) for name, value in one.named_labels.items()]
    start_ns = min(one.started_ns, at_ns)
    if one.instrument.kind is not Kind.HISTOGRAM:
        number = otlp.NumberDataPoint(attributes=attributes, start_time_unix_nano=start_ns, time_unix_nano=at_ns)
        if isinstance(one.value, int):
            number.as_int = 0 if empty else one.value
        else:
            number.as_double = 0.0 if empty else float(one.value)
        return number
    counts = [0] * len(one.buckets) if empty else one.buckets
    return otlp.HistogramDataPoint(
        attributes=attributes,
        start_time_unix_nano=start_ns,
        time_unix_nano=at_ns,
        count=sum(counts),
        sum=0.0 if empty else float(one.value),
        bucket_counts=counts,
        explicit_bounds=one.instrument.buckets,
        exemplars=[
            otlp.Exemplar(
                time_unix_nano=origin.time_ns,
                as_double=float(value),
                span_id=origin.span_id.to_bytes(8, "big"),
                trace_id=origin.trace_id.to_bytes(16, "big"),
            )
            for value, origin in exemplars.values()
        ],
    )


def _any(value: str | int | float) -> AnyValue:
    if isinstance(value, str):
        return AnyValue(string_value=value)
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    return AnyValue(int_value=value) if isinstance(value, int) else AnyValue(double_value=value)


def _metric(instrument: Instrument, points: list[_Point]) -> otlp.Metric:
    metric = otlp.Metric(name=instrument.name, description=instrument.description, unit=instrument.unit)
    numbers = [point for point in points if isinstance(point, otlp.NumberDataPoint)]
    if instrument.kind is Kind.COUNTER:
        metric.sum.CopyFrom(otlp.Sum(data_points=numbers, aggregation_temporality=_CUMULATIVE, is_monotonic=True))
    elif instrument.kind is Kind.GAUGE:
        metric.gauge.CopyFrom(otlp.Gauge(data_points=numbers))
    else:
        histograms = [point for point in points if isinstance(point, otlp.HistogramDataPoint)]
        metric.histogram.CopyFrom(otlp.Histogram(data_points=histograms, aggregation_temporality=_CUMULATIVE))
    return metric
