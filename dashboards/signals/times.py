"""How long things take: requests, first tokens, and what the proxy itself adds."""

from __future__ import annotations

from dashboards.signals.signal import SELECTED, Signal, quantile, quantile_of_all, share_name

_DURATION = "proxy_request_duration_ms_milliseconds"
_OVERHEAD = "proxy_request_overhead_ms_milliseconds"
_TTFT = "proxy_request_ttft_ms_milliseconds"


def duration(share: float) -> Signal:
    """From accepting a request until it was over for the client."""
    return Signal(quantile(share, _DURATION), "ms", share_name(share), exemplars=True)


def duration_of_all(share: float) -> Signal:
    """The same of all requests of the time range, as one value."""
    return Signal(quantile_of_all(share, _DURATION), "ms", share_name(share))


def first_token(share: float) -> Signal:
    """From the end of sending the request upstream to the first content token."""
    return Signal(quantile(share, _TTFT, SELECTED), "ms", share_name(share), exemplars=True)


def overhead(share: float) -> Signal:
    """What the proxy added, before the request left and before the first byte went on."""
    return Signal(quantile(share, _OVERHEAD, SELECTED), "ms", share_name(share), exemplars=True)


OVERHEAD_BUCKETS = Signal(
    f"sum by (le) (increase({_OVERHEAD}_bucket{{{SELECTED}}}[$__rate_interval]))", "short", "{{le}}"
)
"""Requests by how much was added, for a heatmap."""
