"""What recording a call may cost, in counts that are the same on every machine."""

from __future__ import annotations

import pytest

from benchmarks.recorder import WORKLOADS, measured


@pytest.mark.parametrize(
    ("workload", "functions", "statements"),
    [
        ("1 kB, bodies kept", 475, 0.42),
        ("1 kB, no bodies", 385, 0.38),
        ("200 kB turn of a session, bodies kept", 1_345, 9),
        ("200 kB turn of a session, no bodies", 840, 5),
    ],
)
def test_functions_and_statements_per_call_stay_few(workload: str, functions: int, statements: float) -> None:
    cost = measured(WORKLOADS[workload])
    assert cost.functions < functions
    assert cost.statements < statements
