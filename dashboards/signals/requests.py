"""Requests: rates, outcomes, errors and sizes."""

from __future__ import annotations

from dashboards.signals.signal import SELECTED, Signal, increase, quantile, rate, ratio, share_name

_COUNT = "proxy_request_count_total"
_ERRORS = "proxy_upstream_errors_total"
_REFUSED = f'{SELECTED},status_code=~"4..|5.."'
_OF_MODELS = f'{SELECTED},model!=""'
_JUDGED = f'{SELECTED},outcome!~"client_disconnected|rejected",status_code!~"4.."'
"""Requests that tell how the service does, as the recording rules have it: a 4xx is the caller's own."""
_FAILED = f'{_JUDGED},outcome!="ok"'

RATE = Signal(f"sum({rate(_COUNT, SELECTED)})", "reqps", "total")
RATE_BY_STREAM = Signal(f"sum by (stream) ({rate(_COUNT, SELECTED)})", "reqps", "stream={{stream}}")
RATE_BY_ENDPOINT = Signal(f"sum by (endpoint) ({rate(_COUNT, SELECTED)})", "reqps", "{{endpoint}}")
PER_MINUTE_BY_STATUS = Signal(f"sum by (status_code) ({rate(_COUNT, SELECTED)}) * 60", "short", "{{status_code}}")
PER_MINUTE_BY_OUTCOME = Signal(f"sum by (outcome) ({rate(_COUNT, SELECTED)}) * 60", "short", "{{outcome}}")

TOTAL = Signal(f"sum({increase(_COUNT, SELECTED)})", "short", "requests")
BY_ENDPOINT = Signal(f"topk(10, sum by (endpoint) ({increase(_COUNT, SELECTED)}))", "short", "{{endpoint}}")
BY_MODEL = Signal(f"topk(10, sum by (model) ({increase(_COUNT, _OF_MODELS)}))", "short", "{{model}}")

FAILURES = Signal(
    ratio(f"sum({increase(_COUNT, _FAILED)})", f"sum({increase(_COUNT, _JUDGED)})"), "percentunit", "failed"
)
ERRORS_BY_TYPE = Signal(f"sum by (error_type) ({rate(_ERRORS)})", "reqps", "{{error_type}}")
ERRORS_BY_STATUS = Signal(f"sum by (status_code) ({rate(_COUNT, _REFUSED)})", "reqps", "HTTP {{status_code}}")


def body_size(share: float) -> Signal:
    """Size of request bodies."""
    name = share_name(share)
    return Signal(quantile(share, "proxy_request_body_size_bytes"), "decbytes", name, exemplars=True)
