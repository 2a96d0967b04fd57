"""Samplers by their standard names."""

from __future__ import annotations

import pytest

from proxy.observer.sampling import sampled

LOW, HIGH = 0, 2**64 - 1


@pytest.mark.parametrize(
    ("sampler", "ratio", "low", "high"),
    [
        ("always_on", 0.0, True, True),
        ("always_off", 1.0, False, False),
        ("traceidratio", 0.5, True, False),
        ("traceidratio", 1.0, True, True),
        ("traceidratio", 0.0, False, False),
        ("parentbased_always_on", 0.0, True, True),
        ("parentbased_always_off", 1.0, False, False),
        ("parentbased_traceidratio", 0.5, True, False),
    ],
)
def test_a_sampler_decides_by_the_trace_id(sampler: str, ratio: float, low: bool, high: bool) -> None:
    assert sampled(LOW, sampler, ratio) is low
    assert sampled(HIGH, sampler, ratio) is high
    assert sampled(HIGH | 1 << 100, sampler, ratio) is high
