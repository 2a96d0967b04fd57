"""Counts are integers from 0 to 10^12; everything else is a problem."""

from __future__ import annotations

import pytest

from proxy.reading.counts import MAX_COUNT, MAX_RAW_BYTES, count_at, raw_json
from proxy.reading.jsontext import Json
from proxy.reading.problems import Problems


@pytest.mark.parametrize(("value", "count"), [(0, 0), (7, 7), (7.0, 7), (MAX_COUNT, MAX_COUNT), (None, None)])
def test_counts_are_taken(value: Json, count: int | None) -> None:
    problems = Problems()
    assert count_at({"details": {"tokens": value}}, ("details", "tokens"), problems) == count
    assert problems.summary() is None


@pytest.mark.parametrize("value", [-1, 1.5, True, "7", [], {}, MAX_COUNT + 1, 1e300])
def test_what_is_no_count_is_a_problem(value: Json) -> None:
    problems = Problems()
    assert count_at({"details": {"tokens": value}}, ("details", "tokens"), problems) is None
    assert problems.summary() == "usage.details.tokens is not a count"


@pytest.mark.parametrize("frame", [{}, {"details": None}, {"details": 5}, 5, None, []])
def test_missing_count_is_not_known(frame: Json) -> None:
    problems = Problems()
    assert count_at(frame, ("details", "tokens"), problems) is None
    assert problems.summary() is None


def test_raw_form_is_compact_and_bounded() -> None:
    assert raw_json({"a": {"b": 1}}) == '{"a":{"b":1}}'
    assert raw_json({}) is None
    assert raw_json({"a": "x" * MAX_RAW_BYTES}) is None
