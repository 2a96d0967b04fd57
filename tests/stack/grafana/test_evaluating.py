"""Queries of a small dashboard come out as Grafana would send them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import pytest

from tests.stack.grafana.evaluating import Query, queries
from tests.stack.grafana.interpolation import Value
from tests.stack.grafana.shape import load
from tests.stack.grafana.variables import Span

_NOW = 1_000_000_000.0
_VALUES = {"prometheus": Value("prometheus"), "loki": Value("loki"), "tempo": Value("tempo"), "age": Value("900")}


def _asked(*panels: dict[str, object]) -> list[Query]:
    text = {"uid": "u", "title": "t", "time": {"from": "now-6h", "to": "now"}, "panels": panels}
    return list(queries(load(json.dumps(text).encode()), _VALUES, Span(_NOW - 6 * 3_600, _NOW)))


def _panel(source: str, target: Mapping[str, object], **more: object) -> dict[str, object]:
    targets: Sequence[object] = [{"refId": "A", **target}]
    return {"title": "P", "type": "timeseries", "datasource": {"uid": source}, "targets": targets, **more}


def test_intervals_follow_from_the_range_shown() -> None:
    [query] = _asked(_panel("${prometheus}", {"expr": "rate(x[$__rate_interval]) / $__interval_ms + x[$__range]"}))
    assert query.expression == "rate(x[60s]) / 20000 + x[21600s]"
    assert (query.source, query.step_ms, query.is_instant) == ("prometheus", 20_000, False)
    assert query.span == Span(_NOW - 21_600, _NOW)


def test_a_panel_may_have_a_range_of_its_own() -> None:
    [query] = _asked(_panel("${loki}", {"expr": "x[$__interval] y[${__range_s}s]"}, timeFrom="${age}s"))
    assert query.expression == "x[1s] y[900s]"
    [query] = _asked(_panel("${loki}", {"expr": "x"}, timeFrom="now/d"))
    assert query.span.start % 86_400 == 0
    assert 3_600 <= _NOW - query.span.start < 90_000


def test_a_least_step_also_stretches_rates() -> None:
    [query] = _asked(_panel("prometheus", {"expr": "rate(x[$__rate_interval])", "interval": "1m"}))
    assert (query.expression, query.step_ms) == ("rate(x[240s])", 60_000)


def test_ranges_are_whole_steps_that_end_now() -> None:
    [query] = _asked(_panel("prometheus", {"expr": "x"}, timeFrom="100s"))
    assert (query.span.start, query.span.end) == (_NOW - 105, _NOW)


@pytest.mark.parametrize(
    ("target", "is_instant"),
    [
        ({"instant": True, "range": False}, True),
        ({"instant": True, "range": True}, False),
        ({"queryType": "instant"}, True),
        ({"queryType": "range"}, False),
        ({}, False),
    ],
)
def test_targets_say_whether_they_ask_for_a_moment(target: dict[str, object], is_instant: bool) -> None:
    [query] = _asked(_panel("prometheus", {"expr": "x", **target}))
    assert query.is_instant is is_instant


def test_auto_is_the_range_for_a_moment_and_else_the_step() -> None:
    assert [query.expression for query in _asked(_panel("loki", {"expr": "[$__auto]", "queryType": "instant"}))] == [
        "[21600s]"
    ]
    assert [query.expression for query in _asked(_panel("loki", {"expr": "[$__auto]"}))] == ["[20s]"]


def test_rows_are_opened_and_hidden_targets_left_out() -> None:
    inside = _panel("${tempo}", {"query": "{ } | select(1)"})
    hidden = _panel("prometheus", {"expr": "x", "hide": True})
    found = _asked({"title": "Row", "type": "row", "panels": [inside, hidden]})
    assert [(query.source, query.expression) for query in found] == [("tempo", "{ } | select(1)")]


def test_targets_of_mixed_panels_have_their_own_source() -> None:
    target = {"expr": "x", "datasource": {"uid": "${loki}"}}
    assert [query.source for query in _asked(_panel("-- Mixed --", target))] == ["loki"]


def test_what_is_not_understood_is_an_error() -> None:
    with pytest.raises(ValueError, match="no data source"):
        _asked(_panel("-- Mixed --", {"expr": "x"}))
    with pytest.raises(ValueError, match="repeated"):
        _asked(_panel("prometheus", {"expr": "x"}, repeat="model"))
    with pytest.raises(LookupError, match="__rate_interval"):
        _asked(_panel("loki", {"expr": "[$__rate_interval]"}))
