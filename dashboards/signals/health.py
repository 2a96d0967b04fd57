"""The proxy's own health: what it holds, what it delays, what it lost, and its ledger."""

from __future__ import annotations

from dashboards.signals.signal import Signal, increase, quantile, rate, share_name, zero_without

_DROPPED = "proxy_dropped_total"

OPEN = Signal("sum(proxy_requests_open)", "short", "open requests")

DROPPED = Signal(f"sum({increase(_DROPPED, '')})", "short", "dropped")
DROPPED_BY_REASON = Signal(f"sum by (reason) ({rate(_DROPPED, '')}) * 60", "short", "{{reason}}")
DEAD_LETTERS = Signal("sum by (signal, reason) (proxy_dead_letters_total)", "short", "Records")
EXPORT_LAG = Signal("max by (signal) (proxy_export_lag_seconds)", "s", "{{signal}}")
EXPORT_FAILURES = Signal(f"sum by (signal) ({rate('proxy_export_failures_total', '')}) * 60", "short", "{{signal}}")
EXPORTERS_UP = Signal("min by (signal) (proxy_exporter_up)", "none", "{{signal}}")

LEDGER_SIZE = Signal("sum(proxy_ledger_size_bytes)", "bytes", "ledger")
LEDGER_FREE = Signal("min(proxy_ledger_free_bytes)", "bytes", "free on its disk")

READ_ERRORS = Signal(f"sum({increase('proxy_read_errors_total', '')})", "short", "unreadable bodies")
AUTH_FAILURES = Signal(f"sum({increase('proxy_auth_failures_total', '')})", "short", "wrong tokens")
PACED = Signal(f"sum({increase('proxy_requests_paced_total', '')})", "short", "requests that waited")
_FOLDED = 'count({__name__=~"proxy_.+|gen_ai_.+",otel_metric_overflow="true"})'
FOLDED_SERIES = Signal(zero_without(_FOLDED, "count(proxy_endpoint_info)"), "short", "folded series")


def commit(share: float) -> Signal:
    """Time of a group commit of the recorder."""
    return Signal(quantile(share, "proxy_ledger_commit_ms_milliseconds", ""), "ms", share_name(share))


def loop_stall(share: float) -> Signal:
    """Delays of the relay's event loop."""
    return Signal(quantile(share, "proxy_relay_loop_stall_ms_milliseconds", ""), "ms", share_name(share))
