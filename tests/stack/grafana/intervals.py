"""Steps and durations, in milliseconds.

Sources: `roundInterval` and `calculateInterval` of `packages/grafana-data/src/datetime/rangeutil.ts`,
`calculatePrometheusInterval` and `calculateRateInterval` of `pkg/promlib/models/query.go`, `calculateStep` of
`pkg/tsdb/loki/step.go`.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right

_UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_DURATION = re.compile(r"(\d+)(ms|[smhdw])")
_STEPS = (
    # (from so many milliseconds on, this step)
    (0, 1), (10, 10), (15, 20), (35, 50), (75, 100), (150, 200), (350, 500), (750, 1_000), (1_500, 2_000),
    (3_500, 5_000), (7_500, 10_000), (12_500, 15_000), (17_500, 20_000), (25_000, 30_000), (45_000, 60_000),
    (90_000, 120_000), (210_000, 300_000), (450_000, 600_000), (750_000, 900_000), (1_050_000, 1_200_000),
    (1_500_000, 1_800_000), (2_700_000, 3_600_000), (5_400_000, 7_200_000), (9_000_000, 10_800_000),
    (16_200_000, 21_600_000), (32_400_000, 43_200_000), (86_400_000, 86_400_000), (604_800_000, 604_800_000),
)  # fmt: skip
_MOST_POINTS = 11_000
"""A server refuses more."""


def milliseconds(duration: str) -> int:
    """Of a duration with one unit, like `15s`. Raises ValueError."""
    found = _DURATION.fullmatch(duration)
    if found is None:
        raise ValueError(f"{duration!r} is not a duration with one unit")
    return int(found[1]) * _UNITS[found[2]]


def rounded(interval: float) -> int:
    """The step for an interval."""
    return _STEPS[bisect_right(_STEPS, interval, key=lambda one: one[0]) - 1][1]


def step(range_ms: float, points: int, least: int) -> int:
    """The step that gives about so many points, but at least so long."""
    return max(rounded(range_ms / points), least, math.ceil(range_ms / _MOST_POINTS))


def rate_interval(step_ms: int, least: int) -> int:
    """`$__rate_interval`: four scrapes, or a step and a scrape."""
    return max(step_ms + least, 4 * least)


def written(interval: int) -> str:
    """As a duration of PromQL and LogQL."""
    return f"{interval // 1000}s" if interval % 1000 == 0 else f"{interval}ms"
