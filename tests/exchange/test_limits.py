"""When a limit that refused a request opens again."""

from __future__ import annotations

from proxy.exchange import LimitReading, WindowReading
from proxy.exchange.limits import opens_again

WINDOWS = (
    WindowReading("acme", "5h", 100.0, 2_000, "rejected"),
    WindowReading("acme", "7d", 100.0, 9_000, "rejected"),
    WindowReading("acme", "7d_oi", 10.0, 99_000, "allowed"),
)
LIMITS = (LimitReading("acme", "requests", 50, 0, 3_000), LimitReading("acme", "tokens", 50, 7, 8_000))


def test_a_quota_opens_again_when_the_last_rejected_window_does() -> None:
    assert opens_again(429, WINDOWS, LIMITS) == 9_000


def test_without_a_rejected_window_the_limit_that_is_used_up_counts() -> None:
    assert opens_again(429, WINDOWS[2:], LIMITS) == 3_000


def test_when_nothing_was_told_or_nothing_refused_no_time_is_made_up() -> None:
    assert opens_again(429, (), (LimitReading("acme", "tokens", 50, 0, None), LIMITS[1])) is None
    assert opens_again(200, WINDOWS, LIMITS) is None
    assert opens_again(None, WINDOWS, LIMITS) is None
