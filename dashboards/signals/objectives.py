"""What was promised and what was kept: the recorded ratios and percentiles beside the recorded objectives."""

from __future__ import annotations

from dashboards.signals.signal import SELECTED_ENDPOINTS, Signal


def _of(recorded: str) -> str:
    return f"max by (endpoint) ({recorded}{{{SELECTED_ENDPOINTS}}})"


_SUCCESS = _of("endpoint:objective_success:ratio")
_BURN = f"{_of('endpoint:proxy_failures:ratio_rate1h')} / (1 - {_SUCCESS})"
_SPENT = f"{_of('endpoint:proxy_failures:ratio_rate3d')} / (1 - {_SUCCESS})"

FAILURES = Signal(_of("endpoint:proxy_failures:ratio_rate5m"), "percentunit", "{{endpoint}}")
FAILURES_ALLOWED = Signal(f"1 - max({_SUCCESS})", "percentunit", "objective")
DURATION = Signal(_of("endpoint:proxy_duration_ms:p95_5m"), "ms", "{{endpoint}}")
DURATION_ALLOWED = Signal(f"min({_of('endpoint:objective_duration_ms:p95')})", "ms", "objective")
FIRST_TOKEN = Signal(_of("endpoint:proxy_ttft_ms:p95_5m"), "ms", "{{endpoint}}")
FIRST_TOKEN_ALLOWED = Signal(f"min({_of('endpoint:objective_ttft_ms:p95')})", "ms", "objective")
BURN = Signal(_BURN, "none", "{{endpoint}}")

SCORES = (
    Signal(f"1 - {_of('endpoint:proxy_failures:ratio_rate3d')}", "percentunit", "Success, 3 days"),
    Signal(_SUCCESS, "percentunit", "Objective"),
    Signal(f"1 - {_SPENT}", "percentunit", "Budget left, 3 days"),
    Signal(_of("endpoint:proxy_duration_ms:p95_1h"), "ms", "Duration p95, 1 hour"),
    Signal(_of("endpoint:objective_duration_ms:p95"), "ms", "Duration objective"),
    Signal(_of("endpoint:proxy_ttft_ms:p95_1h"), "ms", "First token p95, 1 hour"),
    Signal(_of("endpoint:objective_ttft_ms:p95"), "ms", "First token objective"),
)
"""Columns of one table."""

FIRING = Signal('count by (alertname, severity) (ALERTS{alertstate="firing"})', "short", "Series")
FIRING_COUNT = Signal('max(alertmanager_alerts{state="active"})', "short", "alerts")
"""With those that Loki raises, which are no series."""
