"""How long things take: requests, first tokens, and what the proxy itself adds."""

from __future__ import annotations

from dashboards.signals.signal import SELECTED, Signal, quantile, share_name

_OVERHEAD = "proxy_request_overhead_ms_milliseconds"
_TTFT = "proxy_request_ttft_ms_milliseconds"


def duration(share: float) -> Signal:
    """From accepting a request until it was over for the client."""
    expr = quantile(share, "proxy_request_duration_ms_milliseconds")
    return Signal(expr, "ms", share_name(share), exemplars=True)


def first_token(share: float) -> Signal:
    """From the end of sending the request upstream to the first content token."""
    return Signal(quantile(share, _TTFT, SELECTED), "ms", share_name(share), exemplars=True)


def first_token_by_model(share: float) -> Signal:
    """The same for each model."""
    expr = quantile(share, _TTFT, SELECTED, "model")
    return Signal(expr, "ms", f"{share_name(share)} {{{{model}}}}", exemplars=True)


def overhead(share: float) -> Signal:
    """What the proxy added, before the request left and before the first byte went on."""
    return Signal(quantile(share, _OVERHEAD, SELECTED), "ms", share_name(share), exemplars=True)
