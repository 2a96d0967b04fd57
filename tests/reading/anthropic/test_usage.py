"""Later usage replaces earlier usage, field by field, and nothing is added."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.exchange import Usage
from proxy.reading.anthropic.usage import MAX_FIELDS, UsageFrames
from proxy.reading.jsontext import Json
from proxy.reading.problems import Problems
from tests.reading.streams import END_USAGE, START_USAGE
from tests.reading.test_jsontext import VALUES


def usage(*frames: Json) -> tuple[Usage, str | None]:
    problems = Problems()
    merged = UsageFrames(problems)
    for frame in frames:
        merged.add(frame)
    return merged.usage(), problems.summary()


def counted(*frames: Json) -> Usage:
    """Return the usage without its raw form, asserting that there were no problems."""
    read, problem = usage(*frames)
    assert problem is None
    return replace(read, usage_raw=None)


FULL = Usage(
    input_tokens=40,
    output_tokens=42,
    cache_read_tokens=18000,
    cache_creation_tokens=1500,
    cache_creation_5m_tokens=1200,
    cache_creation_1h_tokens=300,
    reasoning_tokens=20,
    web_search_requests=1,
    web_fetch_requests=0,
    service_tier="standard",
    inference_geo="us",
)


def test_delta_overrides_and_the_split_of_the_start_stays() -> None:
    """P-9"""
    assert counted(START_USAGE, END_USAGE) == FULL


def test_repeated_cumulative_deltas_count_once() -> None:
    """F-7"""
    assert counted(START_USAGE, *[END_USAGE] * 5) == FULL


def test_null_and_missing_fields_keep_what_was_known() -> None:
    later: Json = {"input_tokens": None, "cache_read_input_tokens": None, "output_tokens": 9, "cache_creation": None}
    read = counted(START_USAGE, later)
    assert (read.input_tokens, read.cache_read_tokens, read.output_tokens) == (25, 18000, 9)
    assert (read.cache_creation_5m_tokens, read.cache_creation_1h_tokens) == (1200, 300)


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        (({"input_tokens": 9, "output_tokens": 1}, {"output_tokens": 50}), Usage(input_tokens=9, output_tokens=50)),
        (
            (
                {"input_tokens": 6, "output_tokens": 8},
                {
                    "input_tokens": 6,
                    "cache_creation_input_tokens": 118,
                    "cache_read_input_tokens": 48362,
                    "output_tokens": 191,
                    "iterations": [{"type": "message", "output_tokens": 191}],
                },
            ),
            Usage(input_tokens=6, output_tokens=191, cache_read_tokens=48362, cache_creation_tokens=118),
        ),
        (
            ({"cache_creation": {"ephemeral_5m_input_tokens": 7, "ephemeral_1h_input_tokens": 3}},),
            Usage(cache_creation_tokens=10, cache_creation_5m_tokens=7, cache_creation_1h_tokens=3),
        ),
        (({"output_tokens": 12.0},), Usage(output_tokens=12)),
        (({},), Usage()),
        ((None,), Usage()),
    ],
)
def test_old_new_and_odd_shapes(frames: tuple[Json, ...], expected: Usage) -> None:
    """Wire facts 7.4: the delta of 2024, a recorded one of Opus 4.7."""
    assert counted(*frames) == expected


def test_split_that_a_later_sum_has_outgrown_is_unknown() -> None:
    read = counted(START_USAGE, {"cache_creation_input_tokens": 2000})
    assert read.cache_creation_tokens == 2000
    assert (read.cache_creation_5m_tokens, read.cache_creation_1h_tokens) == (None, None)


@pytest.mark.parametrize("value", [-1, 10**13, 1.5, "12", True, [], {}, 1e300])
def test_what_is_no_count_is_a_problem_and_changes_nothing(value: Json) -> None:
    """D4"""
    read, problem = usage({"input_tokens": 3, "output_tokens": 1}, {"output_tokens": value})
    assert (read.input_tokens, read.output_tokens) == (3, 1)
    assert problem == "usage.output_tokens is not a count"


def test_usage_of_the_wrong_type_is_a_problem() -> None:
    assert usage([1]) == (Usage(), "usage is not an object")
    assert usage({"service_tier": 5, "output_tokens": 1})[1] == "usage.service_tier is not a name"


def test_raw_usage_is_merged_as_on_the_wire() -> None:
    raw = usage(START_USAGE, END_USAGE)[0].usage_raw
    assert raw is not None
    assert json.loads(raw) == {**START_USAGE, **END_USAGE}


def test_raw_usage_is_bounded() -> None:
    frames: list[Json] = [{f"field_{n}_{m}": m for m in range(10)} for n in range(1000)]
    raw = usage(*frames)[0].usage_raw
    assert raw is not None
    assert len(json.loads(raw)) == MAX_FIELDS
    assert usage({"output_tokens": 1, "note": "x" * 100_000})[0].usage_raw is None


@settings(max_examples=60, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from([*START_USAGE, *END_USAGE]), VALUES) | VALUES, max_size=4))
def test_any_frames_give_counts_or_nothing(frames: list[Json]) -> None:
    """D4"""
    read, _ = usage(*frames)
    for value in asdict(read).values():
        assert value is None or isinstance(value, str) or (type(value) is int and value >= 0)
