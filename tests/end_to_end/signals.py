"""What was received and scraped as plain tables, and what the ledger says they must be."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import isclose

from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from prometheus_client.parser import text_string_to_metric_families

from proxy.names.metrics import INSTRUMENTS, Channel, Kind
from proxy.observer.exposition import label_name, prometheus_name
from tests.end_to_end.stage import MODEL
from tests.kit.process import Proxy, Row
from tests.receiver import values

Labels = frozenset[tuple[str, str]]
Series = dict[tuple[str, Labels], float]
"""By Prometheus name and labels."""
FAILED = ("upstream_error", "error_in_stream", "truncated", "upstream_timeout", "upstream_unreachable")
_WHERE = ("endpoint", "model")
_HOW = ("endpoint", "stream", "outcome")


def received(metrics: Iterable[Metric]) -> Series:
    """Counters and histograms (count, sum and cumulative buckets) of one OTLP export under their Prometheus names."""
    by_name = {instrument.name: instrument for instrument in INSTRUMENTS}
    found: Series = {}
    for metric in metrics:
        name = prometheus_name(by_name[metric.name])
        for number in metric.sum.data_points:
            # A series that is new has a 0 before its first value.
            found[name, labels(number.attributes)] = number.as_double or float(number.as_int)
        for point in metric.histogram.data_points:
            own, below = labels(point.attributes), 0
            found[f"{name}_count", own] = point.count
            found[f"{name}_sum", own] = point.sum
            for bound, count in zip([*point.explicit_bounds, float("inf")], point.bucket_counts, strict=True):
                below += count
                found[f"{name}_bucket", own | {("le", str(bound))}] = below
    return found


def labels(attributes: Iterable[KeyValue]) -> Labels:
    """Attributes as labels."""
    return frozenset((label_name(name), str(value)) for name, value in values(attributes).items())


def scraped(text: str, *, health: bool = False) -> Series:
    """The same of `/metrics`; with `health` what is only there, gauges included."""
    found: Series = {}
    for instrument in INSTRUMENTS:
        if (instrument.channel is Channel.HEALTH) is health and (health or instrument.kind is not Kind.GAUGE):
            wanted = prometheus_name(instrument)
            for family in text_string_to_metric_families(text):
                for sample in family.samples:
                    if sample.name in (wanted, *(f"{wanted}_{part}" for part in ("count", "sum", "bucket"))):
                        own = {k: v if k != "le" else str(float(v)) for k, v in sample.labels.items()}
                        found[sample.name, frozenset(own.items())] = sample.value
    return found


@dataclass(frozen=True)
class Counter:
    """How a counter follows from the rows of the ledger."""

    name: str
    amount: Callable[[Row], float | None]
    """What a row adds; None: nothing, not even the series."""
    labels: tuple[str, ...]


def expected(proxy: Proxy) -> Series:
    """Every counter that follows from exchanges, attempts and costs."""
    rows = proxy.rows(
        "SELECT e.*, c.total_usd AS cost_usd, (SELECT count(*) FROM attempts a WHERE a.request_id = e.request_id)"
        " AS attempts FROM exchanges e LEFT JOIN costs c ON c.request_id = e.request_id AND latest = 1"
    )
    found: defaultdict[tuple[str, Labels], float] = defaultdict(float)
    for row in map(labelled, rows):
        for counter in COUNTERS:
            amount = counter.amount(row)
            if amount is not None:
                own = frozenset((name, row[name]) for name in counter.labels if row[name] is not None)
                found[counter.name, own] += amount
        for ttl in ("5m", "1h"):
            if written := row[f"cache_creation_{ttl}_tokens"]:
                own = frozenset({("endpoint", row["endpoint"]), ("model", row["model"]), ("ttl", ttl)})
                found["proxy_tokens_cache_creation_total", own] += written
    for failure in failures(proxy):
        names = ("error_type", "status_code", "endpoint")
        found["proxy_upstream_errors_total", frozenset((name, str(failure[name])) for name in names)] += 1
    return dict(found)


def labelled(row: Row) -> Row:
    """A row with its values as labels show them."""
    model = row["model"]
    return {
        **row,
        "model": model if model in (None, MODEL) else "other",
        "stream": None if row["stream"] is None else str(bool(row["stream"])).lower(),
        "status_code": "none" if row["status"] is None else str(row["status"]),
        "billing": row["billing"] or "pay_as_you_go",
    }


def failures(proxy: Proxy) -> list[Row]:
    """Failed attempts, and failures of the upstream that no attempt shows, in order."""
    attempts = proxy.rows(
        "SELECT a.request_id, endpoint, number AS attempt, a.status, a.error_type FROM attempts a JOIN exchanges e"
        " USING (request_id) WHERE a.error_type IS NOT NULL OR a.status >= 400"
    )
    shown = {attempt["request_id"] for attempt in attempts}
    later = [
        {**row, "attempt": 1}
        for row in proxy.rows("SELECT * FROM exchanges")
        if row["outcome"] in FAILED and row["request_id"] not in shown
    ]
    return [
        {**one, "status_code": "none" if one["status"] is None else str(one["status"])} for one in (*attempts, *later)
    ]


def differences(found: Series, wanted: Series) -> list[str]:
    """One line for each series that is missing, too much or of another value; zeros need not be there."""
    return [
        f"{name} {sorted(own)}: {found.get((name, own))} instead of {wanted.get((name, own))}"
        for name, own in sorted(found.keys() | wanted.keys(), key=str)
        if not isclose(found.get((name, own), 0), wanted.get((name, own), 0), rel_tol=1e-9, abs_tol=1e-9)
    ]


def _counted(row: Row) -> bool:
    return row["usage_source"] in ("final", "partial") and row["output_tokens"] is not None


def _tokens(column: str) -> Callable[[Row], float | None]:
    return lambda row: row[column] if _counted(row) else None


COUNTERS = (
    Counter("proxy_request_count_total", lambda row: 1, (*_WHERE, "stream", "status_code", "outcome", "operation")),
    Counter("proxy_request_duration_ms_milliseconds_sum", lambda row: row["duration_ms"], _HOW),
    Counter("proxy_request_duration_ms_milliseconds_count", lambda row: row["duration_ms"] and 1, _HOW),
    Counter("proxy_request_body_size_bytes_sum", lambda row: row["request_bytes"], ("endpoint",)),
    Counter("proxy_response_body_size_bytes_sum", lambda row: row["response_bytes"], ("endpoint",)),
    Counter("proxy_tokens_input_total", _tokens("input_tokens"), _WHERE),
    Counter("proxy_tokens_output_total", _tokens("output_tokens"), _WHERE),
    Counter("proxy_tokens_cache_read_total", _tokens("cache_read_tokens"), _WHERE),
    Counter("proxy_tokens_reasoning_total", _tokens("reasoning_tokens"), _WHERE),
    Counter("proxy_cost_total", lambda row: row["cost_usd"], (*_WHERE, "billing")),
    Counter("proxy_unpriced_requests_total", lambda row: int(_counted(row) and row["cost_usd"] is None), ("model",)),
)
