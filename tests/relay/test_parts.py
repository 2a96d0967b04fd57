"""Parts of records that fail."""

from __future__ import annotations

from proxy.relay.parts import Try


def test_a_step_that_fails_costs_what_it_would_have_made_and_is_counted() -> None:
    """D7"""
    failures: list[int] = []
    trying = Try(lambda: failures.append(1))
    assert trying(lambda: 1 // 1, 7) == 1
    assert failures == []
    assert trying(lambda: 1 // 0, 7) == 7
    assert failures == [1]
