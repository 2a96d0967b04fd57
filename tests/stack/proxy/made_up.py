"""An installation that never was: two of everything, in numbers that tell by which arithmetic a panel came to its own.

Servers that run have one proxy, no losses and no alarm, so a minimum is there what a sum is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import msgspec

NOW_S = 18_000
"""When it is looked at, `time()`: its counters began at 0 so long ago."""
_INTERVAL_S = 15
_COUNTER = re.compile(r"\w+_(total|bucket)\b")
_SERIES = """
proxy_request_count_total{endpoint="a",model="m",outcome="ok",status_code="200"} 6
proxy_request_count_total{endpoint="a",model="m",outcome="truncated",status_code="200"} 1
proxy_request_count_total{endpoint="b",model="n",outcome="upstream_error",status_code="500"} 1
proxy_request_count_total{endpoint="b",model="n",outcome="upstream_error",status_code="400"} 5
proxy_request_count_total{endpoint="b",model="n",outcome="client_disconnected",status_code="200"} 3
proxy_request_count_total{endpoint="elsewhere",model="m",outcome="ok",status_code="200"} 9
proxy_request_duration_ms_milliseconds_bucket{endpoint="a",le="100"} 0
proxy_request_duration_ms_milliseconds_bucket{endpoint="a",le="200"} 1
proxy_request_duration_ms_milliseconds_bucket{endpoint="a",le="+Inf"} 1
proxy_upstream_errors_total{endpoint="a",error_type="rate_limit_error",status_code="429"} 2
proxy_upstream_errors_total{endpoint="b",error_type="overloaded_error",status_code="529"} 1

proxy_cost_total{endpoint="a",model="m",billing="pay_as_you_go"} 2
proxy_cost_total{endpoint="b",model="n",billing="subscription"} 1
proxy_cost_total{endpoint="elsewhere",model="m",billing="pay_as_you_go"} 9
proxy_cost_total{otel_metric_overflow="true"} 9
proxy_tokens_input_total{endpoint="a",model="m"} 4
proxy_tokens_input_total{endpoint="b",model="n"} 2
proxy_tokens_cache_creation_total{endpoint="a",model="m",ttl="5m"} 1
proxy_tokens_cache_creation_total{endpoint="a",model="m",ttl="1h"} 1
proxy_tokens_cache_read_total{endpoint="a",model="m"} 10
proxy_tokens_cache_read_total{endpoint="b",model="n"} 0
proxy_tokens_output_total{endpoint="a",model="m"} 3
proxy_tokens_output_total{endpoint="b",model="n"} 1
proxy_tokens_reasoning_total{endpoint="a",model="m"} 1

proxy_usage_utilization{window="5h",instance="1"} 30
proxy_usage_utilization{window="5h",instance="2"} 40
proxy_usage_utilization{window="7d",instance="1"} 60
proxy_usage_resets_at{window="5h",instance="1"} 18500
proxy_usage_resets_at{window="5h",instance="2"} 18600
proxy_usage_resets_at{window="7d",instance="1"} 90000
proxy_account_utilization{account="x",window="5h",instance="1"} 30
proxy_account_utilization{account="x",window="5h",instance="2"} 40
proxy_account_utilization{account="x",window="7d"} 60
proxy_account_resets_at{account="x",window="5h"} 18600
proxy_account_resets_at{account="x",window="7d"} 90000
proxy_account_resets_at{account="y",window="5h"} 17000
proxy_account_exhausts_at{account="x",window="5h"} 18300
proxy_account_exhausts_at{account="x",window="7d"} 80000
proxy_account_observed_at{account="x",window="5h"} 17900
proxy_account_observed_at{account="x",window="7d"} 17800
proxy_account_observed_at{account="y",window="5h"} 16000
proxy_credential_active{credential="x",instance="1"} 1
proxy_credential_active{credential="x",instance="2"} 0
proxy_credential_active{credential="y",instance="1"} 1
proxy_credential_active{credential="z",instance="1"} 1
proxy_ratelimit_limit{account="x",kind="requests"} 50
proxy_ratelimit_limit{account="x",kind="tokens"} 0
proxy_ratelimit_remaining{account="x",kind="requests"} 20
proxy_ratelimit_remaining{account="x",kind="tokens"} 0

endpoint:proxy_failures:ratio_rate5m{endpoint="a"} 0.0625
endpoint:proxy_failures:ratio_rate1h{endpoint="a"} 0.03125
endpoint:proxy_failures:ratio_rate3d{endpoint="a"} 0.015625
endpoint:objective_success:ratio{endpoint="a"} 0.75
endpoint:objective_success:ratio{endpoint="b"} 0.5
endpoint:proxy_duration_ms:p95_5m{endpoint="a"} 11
endpoint:proxy_duration_ms:p95_1h{endpoint="a"} 12
endpoint:objective_duration_ms:p95{endpoint="a"} 13
endpoint:objective_duration_ms:p95{endpoint="b"} 14
endpoint:proxy_ttft_ms:p95_5m{endpoint="a"} 15
endpoint:proxy_ttft_ms:p95_1h{endpoint="a"} 16
endpoint:objective_ttft_ms:p95{endpoint="a"} 17
endpoint:objective_ttft_ms:p95{endpoint="b"} 18
endpoint:proxy_cache_hits:ratio_rate1h{endpoint="a"} 0.25
endpoint:proxy_cache_hits:ratio_rate1d{endpoint="a"} 0.75
objective:cache_collapse:of_usual 0.5
objective:cost_usd:per_hour 19
objective:window_filling:percent 20
objective:window_nearly_full:percent 21
objective:usage_reading_age:seconds 22

up{job="j",instance="1"} 1
up{job="j",instance="2"} 0
up{job="k",instance="1"} 1
proxy_endpoint_info{endpoint="a"} 1
proxy_exporter_up{signal="logs",instance="1"} 1
proxy_exporter_up{signal="logs",instance="2"} 0
proxy_requests_open{instance="1"} 3
proxy_requests_open{instance="2"} 5
proxy_export_lag_seconds{signal="logs",instance="1"} 3
proxy_export_lag_seconds{signal="logs",instance="2"} 5
proxy_ledger_size_bytes{instance="1"} 3
proxy_ledger_size_bytes{instance="2"} 5
proxy_ledger_free_bytes{instance="1"} 3
proxy_ledger_free_bytes{instance="2"} 5
proxy_dead_letters_total{signal="logs",reason="full",instance="1"} 1
proxy_dead_letters_total{signal="logs",reason="full",instance="2"} 2
proxy_dropped_total{reason="full",instance="1"} 1
proxy_dropped_total{reason="full",instance="2"} 2
proxy_export_failures_total{signal="logs",instance="1"} 1
proxy_export_failures_total{signal="logs",instance="2"} 2

alertmanager_alerts{state="active",instance="1"} 3
alertmanager_alerts{state="active",instance="2"} 5
alertmanager_alerts{state="suppressed",instance="1"} 9
ALERTS{alertname="A",severity="page",alertstate="firing",endpoint="a"} 1
ALERTS{alertname="A",severity="page",alertstate="firing",endpoint="b"} 1
ALERTS{alertname="A",severity="page",alertstate="pending",endpoint="c"} 1
otelcol_exporter_queue_size{exporter="e",instance="1"} 3
otelcol_exporter_queue_size{exporter="e",instance="2"} 5
otelcol_exporter_queue_size{exporter="f",instance="1"} 0
otelcol_exporter_queue_capacity{exporter="e",instance="1"} 4
otelcol_exporter_queue_capacity{exporter="e",instance="2"} 8
otelcol_exporter_queue_capacity{exporter="f",instance="1"} 0
otelcol_process_memory_rss{instance="1"} 3
otelcol_process_memory_rss{instance="2"} 5
prometheus_tsdb_head_series{instance="1"} 3
prometheus_tsdb_head_series{instance="2"} 5
prometheus_tsdb_too_old_samples_total{instance="1"} 1
prometheus_tsdb_too_old_samples_total{instance="2"} 2
loki_discarded_samples_total{reason="late",instance="1"} 1
loki_discarded_samples_total{reason="late",instance="2"} 2
prometheus_rule_group_last_duration_seconds{rule_group="g"} 3
prometheus_rule_group_last_duration_seconds{rule_group="h"} 5
prometheus_rule_group_interval_seconds{rule_group="g"} 4
prometheus_rule_group_interval_seconds{rule_group="h"} 8
loki_prometheus_rule_group_last_duration_seconds{rule_group="g"} 3
loki_prometheus_rule_group_last_duration_seconds{rule_group="h"} 5
loki_prometheus_rule_group_interval_seconds{rule_group="g"} 4
loki_prometheus_rule_group_interval_seconds{rule_group="h"} 8
"""
"""Counters by what they grow in a second, everything else by what it says all the time."""
_GONE = {'proxy_account_observed_at{account="z",window="5h"}': "15000x800"}
"""Of an account that is no longer reported."""


def case(wanted: Iterable[tuple[str, dict[str, float]]]) -> bytes:
    """A file for `promtool test rules`: expressions, each with its samples by labels as in `{name="value"}`."""
    steps = NOW_S // _INTERVAL_S
    series = _GONE | {text: _values(text, number, steps) for text, number in _given()}
    asked = [
        {
            "expr": expression,
            "eval_time": f"{NOW_S}s",
            "exp_samples": [{"labels": labels, "value": value} for labels, value in samples.items()],
        }
        for expression, samples in wanted
    ]
    given = [{"series": text, "values": values} for text, values in series.items()]
    tests = [{"interval": f"{_INTERVAL_S}s", "input_series": given, "promql_expr_test": asked}]
    return msgspec.json.encode({"fuzzy_compare": True, "tests": tests})


def _given() -> Iterator[tuple[str, float]]:
    for line in filter(None, _SERIES.splitlines()):
        text, _, number = line.rpartition(" ")
        yield text, float(number)


def _values(text: str, number: float, steps: int) -> str:
    return f"0+{number * _INTERVAL_S}x{steps}" if _COUNTER.match(text) else f"{number}x{steps}"
