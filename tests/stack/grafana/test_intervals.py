"""Steps are those of Grafana."""

from __future__ import annotations

import pytest

from tests.stack.grafana.intervals import milliseconds, rate_interval, rounded, step, written


@pytest.mark.parametrize(
    ("interval", "step_ms"),
    [(9, 1), (10, 10), (21_600, 20_000), (25_000, 30_000), (604_800, 600_000), (10**12, 604_800_000)],
)
def test_intervals_are_rounded_by_the_table(interval: float, step_ms: int) -> None:
    assert rounded(interval) == step_ms


def test_a_step_is_never_shorter_than_the_data_source_allows_nor_than_the_server_answers() -> None:
    assert step(6 * 3_600_000, 1_000, 15_000) == 20_000
    assert step(60_000, 1_000, 15_000) == 15_000
    assert step(300_000, 1_000, 1) == 200
    assert step(11_000_000, 100_000, 1) == 1_000


def test_rates_look_back_over_four_scrapes_at_least() -> None:
    assert rate_interval(20_000, 15_000) == 60_000
    assert rate_interval(600_000, 15_000) == 615_000


def test_durations_are_read_and_written() -> None:
    assert [milliseconds(one) for one in ("200ms", "15s", "5m", "6h", "7d", "2w")] == [
        *(200, 15_000, 300_000, 21_600_000, 604_800_000, 1_209_600_000)
    ]
    assert [written(one) for one in (200, 15_000)] == ["200ms", "15s"]
    with pytest.raises(ValueError, match="1h30m"):
        milliseconds("1h30m")
