"""What Prometheus makes of the samples is right: rates, sums and quantiles of all panels, computed a second time."""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise

import pytest
from promql_parser import AggregateExpr, Call, NumberLiteral

from tests.stack.proxy.conftest import WHOLE, Installation
from tests.stack.proxy.expected import COUNTERS, HISTOGRAMS
from tests.stack.proxy.promql import functions, grouping, matching, matrix, nodes
from tests.stack.reading_back import Series

_MOMENTS_S = (0.0, 7.3, 31.0)
"""So long before the end a rate is looked at: at a sample and between samples, within the traffic and after it."""
_RANGE = re.compile(r"\[[0-9smhdw]+\]")
Group = tuple[tuple[str, str], ...]


def expressions(played: Installation) -> Iterator[str]:
    """Every PromQL expression of every dashboard, as it was sent."""
    for uid in played.dashboards:
        for answer in played.shown(uid).every_answer:
            if answer.query.source == "prometheus":
                yield answer.query.expression


def extrapolated(samples: tuple[tuple[float, float], ...], end: float, seconds: float, *, per_second: bool) -> float:
    """`rate` or `increase` of a counter's samples in (end - seconds, end]; NaN for fewer than two.

    What was not seen of the range is filled up: to its ends where a sample is near, else by half an interval, and at
    the beginning never below zero. Source: `extrapolatedRate` of `promql/functions.go`.
    """
    if len(samples) < 2:
        return math.nan
    (first_at, first), (last_at, last) = samples[0], samples[-1]
    grown = last - first + sum(before for (_, before), (_, after) in pairwise(samples) if after < before)
    sampled = last_at - first_at
    between = sampled / (len(samples) - 1)
    to_start, to_end = first_at - (end - seconds), end - last_at
    if to_start >= between * 1.1:
        to_start = between / 2
    if grown > 0 and first >= 0:
        to_start = min(to_start, sampled * first / grown)
    if to_end >= between * 1.1:
        to_end = between / 2
    filled = grown * (sampled + to_start + to_end) / sampled
    return filled / seconds if per_second else filled


def test_rates_are_those_of_the_recorded_samples(played: Installation) -> None:
    calls = {call.prettify(): call for text in expressions(played) for call in functions(text, "rate", "increase")}
    prom = played.servers["prometheus"]
    compared = 0
    for text, call in calls.items():
        per_second, samples = call.func.name == "rate", matrix(call)
        for moment in (round(played.at - before, 3) for before in _MOMENTS_S):
            recorded = prom.instant(samples.prettify(), moment)
            seconds = samples.range.total_seconds()
            wanted = {_key(one): extrapolated(one.points, moment, seconds, per_second=per_second) for one in recorded}
            known = {key: value for key, value in wanted.items() if not math.isnan(value)}
            assert {_key(one): one.last for one in prom.instant(text, moment)} == pytest.approx(known), text
            compared += sum(value > 0 for value in known.values())
    assert len(calls) > 20
    assert compared > 500


def test_sums_over_the_whole_range_are_the_ledgers(played: Installation) -> None:
    compared = set()
    for text in expressions(played):
        for node in nodes(text, AggregateExpr):
            if _counts_the_whole_range(node, played):
                assert isinstance(node.expr, Call)
                selector, by = matrix(node.expr).vector_selector, grouping(node)
                wanted: defaultdict[Group, float] = defaultdict(float)
                for labels, value in matching(COUNTERS[str(selector.name)](played.ledger), selector):
                    wanted[_group(labels, by)] += value
                found = played.servers["prometheus"].instant(node.prettify(), played.at)
                by_group = {_group(one.labels, by): one.last for one in found}
                assert by_group == pytest.approx(wanted, rel=1e-6), node.prettify()
                compared.add(selector.name)
    assert compared >= {"proxy_request_count_total", "proxy_cost_total"}


def test_quantiles_lie_in_the_bucket_of_the_true_one(played: Installation) -> None:
    quantiles = {
        call.prettify(): call for text in expressions(played) for call in functions(text, "histogram_quantile")
    }
    compared = set()
    for text, call in quantiles.items():
        share, aggregated = call.args
        assert isinstance(share, NumberLiteral), text
        assert isinstance(aggregated, AggregateExpr), text
        assert isinstance(aggregated.expr, Call), text
        selector = matrix(aggregated.expr).vector_selector
        histogram = str(selector.name).removesuffix("_bucket")
        if histogram in HISTOGRAMS:
            by = tuple(label for label in grouping(aggregated) if label != "le")
            observed: defaultdict[Group, list[float]] = defaultdict(list)
            for labels, value in matching(HISTOGRAMS[histogram](played.ledger), selector):
                observed[_group(labels, by)].append(value)
            found = played.servers["prometheus"].instant(_RANGE.sub(WHOLE, text), played.at)
            assert {_group(one.labels, by) for one in found} == set(observed), text
            bounds = _bounds(played, histogram)
            for one in found:
                low, high = _bucket(observed[_group(one.labels, by)], share.val, bounds)
                assert low <= one.last <= high, (text, one.labels)
            compared.add(histogram)
    assert compared >= {"proxy_request_duration_ms_milliseconds", "proxy_request_ttft_ms_milliseconds"}


def _counts_the_whole_range(node: AggregateExpr, played: Installation) -> bool:
    call = node.expr
    if str(node.op) != "sum" or not isinstance(call, Call) or call.func.name != "increase":
        return False
    samples = matrix(call)
    return samples.vector_selector.name in COUNTERS and samples.range.total_seconds() > 3_600


def _bounds(played: Installation, histogram: str) -> list[float]:
    found = played.servers["prometheus"].instant(f"count by (le) ({histogram}_bucket)", played.at)
    return sorted(float(one.labels["le"]) for one in found)


def _bucket(values: Iterable[float], share: float, bounds: list[float]) -> tuple[float, float]:
    """The bucket of the value below which that share lies; Prometheus gives the highest bound beyond all bounds."""
    ordered = sorted(values)
    true = ordered[max(math.ceil(share * len(ordered)), 1) - 1]
    position = bisect_left(bounds, true)
    low = bounds[position - 1] if position else 0.0
    return low, low if math.isinf(bounds[position]) else bounds[position]


def _group(labels: Mapping[str, str], by: tuple[str, ...]) -> Group:
    return tuple((name, labels[name]) for name in by if name in labels)


def _key(series: Series) -> frozenset[tuple[str, str]]:
    return frozenset((name, value) for name, value in series.labels.items() if name != "__name__")
