"""Requests: rates, outcomes, errors, durations and sizes."""

from __future__ import annotations

from dashboards.signals.signal import SELECTED, SELECTED_ENDPOINTS, Signal, increase, quantile, rate

_COUNT = "proxy_request_count_total"
_FAILED = f'{SELECTED},status_code=~"4..|5.."'
_DURATION = "proxy_request_duration_ms_milliseconds"

RATE_BY_STREAM = Signal(f"sum by (stream) ({rate(_COUNT, SELECTED)})", "reqps", "stream={{stream}}")
RATE = Signal(f"sum({rate(_COUNT, SELECTED)})", "reqps", "total")
RATE_BY_STATUS = Signal(f"sum by (status_code) ({rate(_COUNT, SELECTED)}) * 60", "short", "{{status_code}}")
TOTAL = Signal(f"sum({increase(_COUNT, SELECTED)})", "short", "requests")

ERRORS_BY_TYPE = Signal(
    f"sum by (error_type) ({rate('proxy_upstream_errors_total', SELECTED_ENDPOINTS)})", "reqps", "{{error_type}}"
)
ERRORS_BY_STATUS = Signal(f"sum by (status_code) ({rate(_COUNT, _FAILED)})", "reqps", "HTTP {{status_code}}")


def duration(share: float) -> Signal:
    """Time until a request was over for the client."""
    return Signal(quantile(share, _DURATION), "ms", f"p{share * 100:.0f}", exemplars=True)
