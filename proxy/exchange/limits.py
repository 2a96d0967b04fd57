"""What answers say of rate limits."""

from __future__ import annotations

from collections.abc import Iterable

from proxy.exchange.parts import recorded

REJECTED = "rejected"
"""`status` of a window that lets nothing through."""
_TOO_MANY_REQUESTS = 429


@recorded
class WindowReading:
    """One observation of a rate-limit window of a subscription."""

    account: str
    window: str
    """As on the wire: `5h`, `7d`, `7d_oi`, …"""
    utilization: float | None = None
    """Percent; may exceed 100."""
    resets_at: int | None = None
    """Unix seconds."""
    status: str | None = None


@recorded
class LimitReading:
    """One observation of a per-minute limit."""

    account: str
    kind: str
    """`requests`, `tokens`, `input_tokens` or `output_tokens`."""
    limit: int | None = None
    remaining: int | None = None
    resets_at: int | None = None
    """Unix seconds."""


def opens_again(status: int | None, windows: Iterable[WindowReading], limits: Iterable[LimitReading]) -> int | None:
    """When the limit behind a 429 opens again, Unix seconds: the last of the rejected windows, else of the limits
    that are used up. None for other answers, and where nothing of that was told.
    """
    if status != _TOO_MANY_REQUESTS:
        return None
    rejected = [one.resets_at for one in windows if one.status == REJECTED and one.resets_at is not None]
    used_up = [one.resets_at for one in limits if one.remaining == 0 and one.resets_at is not None]
    return max(rejected or used_up, default=None)
