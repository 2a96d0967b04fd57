"""The servers behind the dashboards: Collector, Prometheus, Loki, Alertmanager and Tempo, as they tell of themselves.

Names are those that the pinned versions show; the Collector's have no `_total` here.
"""

from __future__ import annotations

from dashboards.signals.signal import Signal, increase, rate

UP = Signal("min by (job) (up)", "none", "{{job}}")

_CAPACITY = "otelcol_exporter_queue_capacity"
QUEUE = Signal(f"max by (exporter) (otelcol_exporter_queue_size / ({_CAPACITY} > 0))", "percentunit", "{{exporter}}")
COLLECTOR_MEMORY = Signal("max(otelcol_process_memory_rss)", "bytes", "collector")

RECEIVED = [
    Signal(f"sum({rate(f'otelcol_receiver_accepted_{items}', '')})", "cps", name)
    for items, name in (("log_records", "log records"), ("metric_points", "metric points"), ("spans", "spans"))
]
NOT_DELIVERED = [
    Signal(f"sum by (exporter) ({rate(f'otelcol_exporter_send_failed_{items}', '')})", "cps", "failed: {{exporter}}")
    for items in ("log_records", "metric_points", "spans")
]
REFUSED = [
    Signal(f"sum({rate(f'otelcol_receiver_refused_{items}', '')})", "cps", f"refused: {name}")
    for items, name in (("log_records", "log records"), ("metric_points", "metric points"), ("spans", "spans"))
]
DISCARDED = Signal(f"sum by (reason) ({rate('loki_discarded_samples_total', '')}) * 60", "short", "Loki: {{reason}}")
TOO_OLD = Signal(f"sum({rate('prometheus_tsdb_too_old_samples_total', '')}) * 60", "short", "Prometheus: too old")

RULE_FAILURES = Signal(f"sum({increase('prometheus_rule_evaluation_failures_total', '')})", "short", "Prometheus")
LOG_RULE_FAILURES = Signal(f"sum({increase('loki_prometheus_rule_evaluation_failures_total', '')})", "short", "Loki")
NOTIFICATION_FAILURES = Signal(
    f"sum({increase('alertmanager_notifications_failed_total', '')})", "short", "notifications"
)
RULE_LOAD = Signal(
    "max(prometheus_rule_group_last_duration_seconds / prometheus_rule_group_interval_seconds)",
    "percentunit",
    "Prometheus",
)
LOG_RULE_LOAD = Signal(
    "max(loki_prometheus_rule_group_last_duration_seconds / loki_prometheus_rule_group_interval_seconds)",
    "percentunit",
    "Loki",
)
SERIES = Signal("max(prometheus_tsdb_head_series)", "short", "series in memory")
