"""The same numbers for scraping: Prometheus text or OpenMetrics, under the names that Prometheus gives OTLP metrics.

Rules: https://github.com/prometheus/otlptranslator (`metric_namer.go`, `unit_namer.go`).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import accumulate
from math import inf

from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector, CollectorRegistry
from prometheus_client.utils import floatToGoString

from proxy.names.metrics import INSTRUMENTS, Instrument, Kind
from proxy.observer.table import Point, Series

_UNITS = {"ms": "milliseconds", "s": "seconds", "By": "bytes"}
_PER = {"s": "second"}
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9:]+")


def exposition(series: Iterable[Series], points: Iterable[Point], accept: str | None) -> tuple[bytes, str]:
    """Everything there is, in the format that `accept` (a header) prefers: body and content type."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(
        _Numbers([*series, *(Series(instrument, labels, 0, value) for instrument, labels, value in points)])
    )
    encoder, content_type = choose_encoder(accept or "")
    return encoder(registry), content_type


def prometheus_name(instrument: Instrument) -> str:
    """The name in Prometheus; of a histogram without `_bucket`, `_count` and `_sum`."""
    tokens = [token for token in _NOT_IN_NAMES.split(instrument.name) if token]
    unit, _, per = instrument.unit.partition("/")
    for suffix in (_UNITS.get(unit, "" if unit.startswith("{") else unit), _PER.get(per, per)):
        if suffix and suffix not in tokens:
            tokens += ["per", suffix] if suffix == _PER.get(per) else [suffix]
    if instrument.kind is Kind.COUNTER:
        tokens = [*(word for word in tokens if word != "total"), "total"]
    return "_".join(tokens)


def label_name(attribute: str) -> str:
    """The label of an attribute."""
    return _NOT_IN_NAMES.sub("_", attribute)


class _Numbers(Collector):
    def __init__(self, series: Iterable[Series]) -> None:
        self._by_name: defaultdict[str, list[Series]] = defaultdict(list)
        for one in series:
            self._by_name[one.instrument.name].append(one)

    def collect(self) -> Iterator[Metric]:
        """Families in the order of the instruments, each with all its series."""
        for instrument in INSTRUMENTS:
            series = self._by_name.get(instrument.name)
            if series:
                yield _family(instrument, series)


def _family(instrument: Instrument, series: Iterable[Series]) -> Metric:
    name = prometheus_name(instrument)
    family = Metric(name.removesuffix("_total"), instrument.description, instrument.kind.value)
    for one in series:
        labels = {label_name(key): _label(value) for key, value in one.named_labels.items()}
        if instrument.kind is Kind.HISTOGRAM:
            _add_histogram(family, name, one, labels)
        else:
            family.add_sample(name, labels, float(one.value))
    return family


def _label(value: str | int | float) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _add_histogram(family: Metric, name: str, one: Series, labels: dict[str, str]) -> None:
    bounds = [floatToGoString(bound) for bound in (*one.instrument.buckets, inf)]  # type: ignore[no-untyped-call]
    for bound, count in zip(bounds, accumulate(one.buckets), strict=True):
        family.add_sample(f"{name}_bucket", {**labels, "le": bound}, count)
    family.add_sample(f"{name}_count", labels, one.count)
    family.add_sample(f"{name}_sum", labels, float(one.value))
