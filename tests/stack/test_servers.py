"""The servers with the project's configuration, fed by the SDK: what the contract promises arrives and can be asked.

The proxy itself is not involved: `test_proxy.py` puts it in front of the same servers.
"""

from __future__ import annotations

import http.server
import math
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import pytest

from tests.stack.grafana.evaluating import Evaluation, evaluate
from tests.stack.grafana.shape import REFERENCE, load
from tests.stack.reading_back import Server, loki, prometheus
from tests.stack.running import Stack, wait_until
from tests.stack.sending import Call, Sender, sender

_FIRST = [
    Call("claude-opus-4-6", 200, input_tokens=120, output_tokens=800),
    Call("claude-haiku-4-5", 200, input_tokens=60, output_tokens=40, stream=False, duration_ms=120),
    Call("claude-opus-4-6", 429, input_tokens=0, output_tokens=0, error_type="rate_limit_error"),
]
_THEN = [
    *_FIRST,
    Call("claude-sonnet-4-6", 200, input_tokens=3, output_tokens=500, duration_ms=12_000, request_bytes=90_000),
    Call("claude-sonnet-4-6", 529, input_tokens=0, output_tokens=0, error_type="overloaded_error"),
]
_DELIVERED_SECONDS = 60.0


@pytest.fixture(scope="module")
def servers(stack: Stack) -> dict[str, Server]:
    return {"prometheus": prometheus(stack.prometheus), "loki": loki(stack.loki)}


@pytest.fixture(scope="module")
def sent(stack: Stack, servers: dict[str, Server]) -> Iterator[Sender]:
    """Two exports with calls before each, so that rates have something to rise from."""
    now = int(time.time())
    windows = {"5h": (41.5, now + 2 * 3600), "7d": (63.0, now + 3 * 86400)}
    with sender(stack.otlp, "an-instance", windows) as feed:
        for calls in (_FIRST, _THEN):
            for call in calls:
                feed.call(call)
            feed.flush()
            wait_until(lambda: _arrived(servers, len(feed.sent)), f"{len(feed.sent)} calls", _DELIVERED_SECONDS)
        yield feed


@pytest.fixture(scope="module")
def shown(sent: Sender, servers: dict[str, Server]) -> Evaluation:
    """The reference dashboard over what was sent."""
    return evaluate(load(REFERENCE.read_bytes()), servers, time.time())


def test_every_query_of_the_reference_dashboard_is_found_and_has_data(shown: Evaluation) -> None:
    assert len(shown.answers) == REFERENCE.read_text().count('"expr"') - len(shown.annotations) == 30
    assert [str(answer.query) for answer in shown.answers if not answer.has_data] == []


def test_window_variables_are_whole_seconds_since_the_window_began(shown: Evaluation) -> None:
    assert set(shown.values) == {"window_age_5h", "window_age_7d"}
    age_5h, age_7d = (int(shown.value(name)) for name in ("window_age_5h", "window_age_7d"))
    assert 3 * 3600 <= age_5h < 3 * 3600 + 600
    assert 4 * 86400 <= age_7d < 4 * 86400 + 600


def test_annotation_marks_each_429_with_its_message(shown: Evaluation, sent: Sender) -> None:
    [marks] = shown.annotations.values()
    assert len(marks.lines) == sum(call.status == 429 for call in sent.sent)
    assert {line.labels["error_message"] for line in marks.lines} == {"rate_limit_error happened"}


def test_panels_show_exactly_what_was_sent(shown: Evaluation, sent: Sender) -> None:
    assert _number(shown, "Total Requests", "A") == len(sent.sent)
    assert _number(shown, "5h Utilization", "A") == 41.5
    assert _number(shown, "Window Tokens In", "A") == sum(call.input_tokens for call in sent.sent)
    assert _number(shown, "Window Tokens Out", "B") == sum(call.output_tokens for call in sent.sent)
    [cumulated] = shown.answer("5h Window Tokens", "A").series
    assert sum(value for _, value in cumulated.points) == sum(call.output_tokens for call in sent.sent)


def test_metrics_have_the_labels_of_the_contract_and_no_others(sent: Sender, servers: dict[str, Server]) -> None:
    found = servers["prometheus"].instant("proxy_request_count_total", time.time())
    identity = {"__name__", "job", "instance", "deployment_environment_name"}
    contract = {"endpoint", "model", "stream", "status_code", "outcome", "operation"}
    assert {frozenset(series.labels) for series in found} == {frozenset(identity | contract)}
    assert {(series.labels["job"], series.labels["instance"]) for series in found} == {
        ("anthropic-proxy", "an-instance")
    }


def test_logs_have_three_index_labels(sent: Sender, stack: Stack) -> None:
    labels = msgspec.json.decode(_get(f"{stack.loki}/loki/api/v1/labels"), type=dict[str, str | list[str]])
    assert labels["data"] == ["deployment_environment_name", "service_instance_id", "service_name"]


def test_exemplars_lead_from_a_histogram_to_a_trace(sent: Sender, stack: Stack) -> None:
    query = {"query": "proxy_request_duration_ms_milliseconds_bucket", "start": "0", "end": str(int(time.time()) + 1)}
    answer = _get(f"{stack.prometheus}/api/v1/query_exemplars?{urllib.parse.urlencode(query)}")
    assert b'"trace_id":"' in answer


def test_spans_reach_tempos_place(sent: Sender, stack: Stack) -> None:
    wait_until(
        lambda: len(stack.tempo.spans()) == len(sent.sent),
        f"the arrival of {len(sent.sent)} spans",
        _DELIVERED_SECONDS,
    )


def test_prometheus_takes_only_the_health_family_from_the_proxy(stack: Stack, servers: dict[str, Server]) -> None:
    def scraped() -> list[str]:
        found = servers["prometheus"].instant('{job="anthropic-proxy", instance=~"127.+"}', time.time())
        return sorted({series.labels["__name__"] for series in found if series.labels["__name__"].startswith("proxy_")})

    with _inspector(stack):
        wait_until(lambda: scraped() != [], "a scrape of the proxy", _DELIVERED_SECONDS)
    histograms = ("proxy_ledger_commit_ms_milliseconds", "proxy_relay_loop_stall_ms_milliseconds")
    counters = ("auth_failures", "dead_letters", "dropped", "export_failures", "read_errors", "requests_paced")
    assert scraped() == sorted(
        [f"{name}_{part}" for name in histograms for part in ("bucket", "count", "sum")]
        + [f"proxy_{name}_total" for name in counters]
        + ["proxy_export_lag_seconds", "proxy_exporter_up", "proxy_requests_open"]
        + ["proxy_ledger_free_bytes", "proxy_ledger_size_bytes"]
    )


def test_prometheus_scrapes_the_collector_loki_and_itself(stack: Stack, servers: dict[str, Server]) -> None:
    def up() -> set[str]:
        return {series.labels["job"] for series in servers["prometheus"].instant("up == 1", time.time())}

    wait_until(lambda: up() >= {"otel-collector", "loki", "prometheus"}, "three scrapes", _DELIVERED_SECONDS)


def _arrived(servers: dict[str, Server], calls: int) -> bool:
    now = time.time()
    counted = servers["prometheus"].value("sum(proxy_request_count_total)", now)
    logged = servers["loki"].value('sum(count_over_time({service_name="anthropic-proxy"} |= "completed" [1h]))', now)
    return counted == calls and logged == calls


def _number(shown: Evaluation, panel: str, ref: str) -> float:
    [series] = shown.answer(panel, ref).series
    assert not math.isnan(series.last)
    return series.last


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as response:
        body: bytes = response.read()
        return body


@contextmanager
def _inspector(stack: Stack) -> Iterator[None]:
    """`/metrics` with the health family and more, for whoever has the token."""
    token = stack.inspector_token_file.read_text().strip()
    address, port = stack.inspector_address.split(":")

    class Metrics(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            allowed = (self.path, self.headers["authorization"]) == ("/metrics?family=health", f"Bearer {token}")
            body = _EXPOSITION.encode() if allowed else b""
            self.send_response(200 if allowed else 401)
            self.send_header("content-type", "text/plain; version=0.0.4")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer((address, int(port)), Metrics)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


_EXPOSITION = """\
# TYPE proxy_requests_open gauge
proxy_requests_open 1
# TYPE proxy_requests_paced_total counter
proxy_requests_paced_total 0
# TYPE proxy_ledger_size_bytes gauge
proxy_ledger_size_bytes 4096
# TYPE proxy_ledger_free_bytes gauge
proxy_ledger_free_bytes 1e9
# TYPE proxy_ledger_commit_ms_milliseconds histogram
proxy_ledger_commit_ms_milliseconds_bucket{le="+Inf"} 1
proxy_ledger_commit_ms_milliseconds_count 1
proxy_ledger_commit_ms_milliseconds_sum 1
# TYPE proxy_relay_loop_stall_ms_milliseconds histogram
proxy_relay_loop_stall_ms_milliseconds_bucket{le="+Inf"} 1
proxy_relay_loop_stall_ms_milliseconds_count 1
proxy_relay_loop_stall_ms_milliseconds_sum 1
# TYPE proxy_dropped_total counter
proxy_dropped_total{reason="disk_full"} 0
# TYPE proxy_read_errors_total counter
proxy_read_errors_total 0
# TYPE proxy_auth_failures_total counter
proxy_auth_failures_total 0
# TYPE proxy_export_lag_seconds gauge
proxy_export_lag_seconds{signal="logs"} 0
# TYPE proxy_exporter_up gauge
proxy_exporter_up{signal="logs"} 1
# TYPE proxy_export_failures_total counter
proxy_export_failures_total{signal="logs"} 0
# TYPE proxy_dead_letters_total counter
proxy_dead_letters_total{signal="logs"} 0
# TYPE proxy_request_count_total counter
proxy_request_count_total{endpoint="default"} 7
# TYPE proxy_request_duration_ms_milliseconds histogram
proxy_request_duration_ms_milliseconds_bucket{le="+Inf"} 7
proxy_request_duration_ms_milliseconds_count 7
proxy_request_duration_ms_milliseconds_sum 7
"""
