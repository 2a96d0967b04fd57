"""Every ending of a request, seen on every channel: one row, one `completed` log, one SERVER span, one count."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from benchmarks.processes import free_port
from proxy.exchange import Outcome
from proxy.names import fields
from tests.end_to_end import signals
from tests.end_to_end.stage import ENDPOINTS, PARENT, TIMES, TRACE, Stage, upstream
from tests.kit import laws
from tests.kit.process import Proxy, Row, wait
from tests.receiver import Receiver, Value, receiver, values

INTERVAL_MS = "200"
TOKENS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_creation_tokens", "reasoning_tokens")


@dataclass
class Told:
    """Everything that was said about what was played."""

    proxy: Proxy
    receiver: Receiver
    rows: dict[str, Row]
    """By request id."""
    attempts: list[Row]
    completed: list[LogRecord]
    errors: list[LogRecord]
    servers: list[Span]
    clients: list[Span]

    def of(self, outcome: Outcome) -> list[str]:
        """Ids of the requests that ended so."""
        return [request_id for request_id, row in self.rows.items() if row["outcome"] == outcome]


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """A proxy that has played every ending and told everything."""
    with upstream().running() as provider, receiver() as otlp:
        proxy = Proxy(
            tmp_path_factory.mktemp("proxy"),
            provider.url,
            relay=TIMES,
            rest=ENDPOINTS.format(port=free_port()),
            env={"OTEL_EXPORTER_OTLP_ENDPOINT": otlp.url, "OTEL_METRIC_EXPORT_INTERVAL": INTERVAL_MS},
        )
        with proxy.running():
            Stage(proxy).play()
            rows = proxy.rows()
            attempts = proxy.rows("SELECT * FROM attempts ORDER BY request_id, number")
            wait(lambda: exported(otlp) == (len(rows), len(rows)), "every exchange to be exported")
            logs, spans = otlp.logs(), otlp.spans()
            yield Told(
                proxy,
                otlp,
                {row["request_id"]: row for row in rows},
                attempts,
                [log for log in logs if said(log)["msg"] == "completed"],
                [log for log in logs if said(log)["msg"] != "completed"],
                [span for span in spans if span.kind == Span.SPAN_KIND_SERVER],
                [span for span in spans if span.kind == Span.SPAN_KIND_CLIENT],
            )


def exported(otlp: Receiver) -> tuple[int, int]:
    """Requests told of by logs and spans, once both are as many as the metrics say."""
    counted = sum(
        value for (name, _), value in signals.received(otlp.metrics()).items() if name == "proxy_request_count_total"
    )
    logs = sum(said(log)["msg"] == "completed" for log in otlp.logs())
    spans = sum(span.kind == Span.SPAN_KIND_SERVER for span in otlp.spans())
    return (logs, spans) if logs == counted else (-1, -1)


@pytest.fixture
def told(installation: Told) -> Iterator[Told]:
    """The module's; ends with the laws."""
    yield installation
    laws.check(installation.proxy, payloads=[one.body for one in installation.receiver.received])


def said(record: LogRecord) -> dict[str, Value]:
    """The JSON body."""
    body = json.loads(record.body.string_value)
    assert isinstance(body, dict)
    return body


def facts(record: LogRecord | Span) -> dict[str, Value]:
    """The attributes."""
    return values(record.attributes)


def request_id(item: LogRecord | Span) -> str:
    """Whose it is."""
    name = "request_id" if isinstance(item, LogRecord) else "proxy.request_id"
    return str(facts(item)[name])


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_is_one_row_one_completed_log_one_server_span_and_one_count(told: Told, outcome: Outcome) -> None:
    ids = told.of(outcome)
    assert ids
    logs = [log for log in told.completed if facts(log)["outcome"] == outcome]
    spans = [span for span in told.servers if facts(span)["proxy.outcome"] == outcome]
    assert sorted(map(request_id, logs)) == sorted(map(request_id, spans)) == sorted(ids)
    counted = signals.received(told.receiver.metrics())
    named = {key: value for key, value in counted.items() if ("outcome", str(outcome)) in key[1]}
    assert sum(value for (name, _), value in named.items() if name == "proxy_request_count_total") == len(ids)
    listed = told.proxy.api("/api/v1/exchanges", outcome=str(outcome), operation="all")["items"]
    assert sorted(item["request_id"] for item in listed) == sorted(ids)


def test_nothing_is_told_twice(told: Told) -> None:
    assert len(told.completed) == len(told.servers) == len(told.rows)
    assert len({span.span_id for span in (*told.servers, *told.clients)}) == len(told.servers) + len(told.clients)


def test_a_completed_log_says_what_the_row_says(told: Told) -> None:
    costs = {row["request_id"]: row["total_usd"] for row in told.proxy.rows("SELECT * FROM costs WHERE latest = 1")}
    for log in told.completed:
        row, attributes = told.rows[request_id(log)], facts(log)
        named = {one.name for one in fields.FIELDS} & set(row)
        assert {name: attributes.get(name) for name in named - {"billing", "stream"}} == {
            name: round(row[name], 3) if isinstance(row[name], float) else row[name]
            for name in named - {"billing", "stream"}
        }
        assert attributes.get("stream") is (None if row["stream"] is None else bool(row["stream"]))
        assert attributes.get("cost_usd") == costs.get(row["request_id"])
        assert attributes["attempt_count"] == sum(one["request_id"] == row["request_id"] for one in told.attempts)
        free = {one.name for one in fields.FIELDS if one.free_text}
        assert said(log) == {"msg": "completed", **{k: v for k, v in attributes.items() if k not in free}}


def test_every_failure_of_the_upstream_is_one_error_log(told: Told) -> None:
    logs = [(request_id(log), facts(log).get("attempt"), facts(log).get("error_type")) for log in told.errors]
    rows = [(one["request_id"], one["attempt"], one["error_type"]) for one in signals.failures(told.proxy)]
    assert sorted(map(repr, logs)) == sorted(map(repr, rows))
    assert {said(log)["msg"] for log in told.errors} == {"upstream error"}
    failed = Counter(told.rows[request_id(log)]["outcome"] for log in told.errors)
    assert failed == {
        "upstream_error": 2,
        "error_in_stream": 1,
        "truncated": 1,
        "upstream_timeout": 1,
        "upstream_unreachable": 1,
        "ok": 1,  # a pooled connection that had died
    }


def test_queries_for_the_two_phrases_find_each_record_once(told: Told) -> None:
    """design section 9: free text cannot be taken for a record's kind"""
    bodies = [log.body.string_value for log in (*told.completed, *told.errors)]
    assert sum("completed" in body for body in bodies) == len(told.completed)
    assert sum("upstream error" in body for body in bodies) == len(told.errors)
    assert any("completed, an upstream error" in str(said(log).get("error_message")) for log in told.errors)


def test_every_attempt_is_one_client_span_below_its_server_span(told: Told) -> None:
    servers = {request_id(span): span for span in told.servers}
    assert sorted(request_id(span) for span in told.clients) == [one["request_id"] for one in told.attempts]
    assert sorted(span.span_id.hex() for span in told.clients) == sorted(one["span_id"] for one in told.attempts)
    for span in told.clients:
        server = servers[request_id(span)]
        assert (span.trace_id, span.parent_span_id) == (server.trace_id, server.span_id)
        assert server.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano
    assert len([one for one in told.attempts if one["error_type"] == "stale_connection"]) == 1


def test_logs_and_spans_of_a_request_carry_its_trace(told: Told) -> None:
    spans = {request_id(span): span for span in told.servers}
    for log in (*told.completed, *told.errors):
        span = spans[request_id(log)]
        assert (log.trace_id, log.span_id) == (span.trace_id, span.span_id)
        row = told.rows[request_id(log)]
        assert row["trace_id"] is None or row["trace_id"] == span.trace_id.hex()
    [traced] = [span for span in told.servers if span.trace_id.hex() == TRACE]
    assert traced.parent_span_id.hex() == PARENT


def test_metrics_are_what_the_ledger_says(told: Told) -> None:
    wanted = signals.expected(told.proxy)
    names = {name for name, _ in wanted}
    found = signals.received(told.receiver.metrics())
    assert signals.differences({key: value for key, value in found.items() if key[0] in names}, wanted) == []


def test_metrics_pushed_and_scraped_are_the_same(told: Told) -> None:
    scraped, pushed = signals.scraped(told.proxy.metrics()), signals.received(told.receiver.metrics())
    assert scraped.keys() == pushed.keys()
    assert signals.differences(scraped, pushed) == []


def test_what_was_lost_and_what_is_pending_is_shown_when_scraped_and_never_pushed(told: Told) -> None:
    """L3"""
    scraped: dict[str, float] = {}

    def at_rest() -> bool:
        nonlocal scraped
        scraped = {
            f"{name}{''.join(sorted(value for _, value in own))}": value
            for (name, own), value in signals.scraped(told.proxy.metrics(), health=True).items()
        }
        return scraped["proxy_requests_open"] == 0 and scraped["proxy_dropped_totalpoison"] == 1

    wait(at_rest, "the dead process's counters to be folded in")
    assert {scraped[f"proxy_export_lag_seconds{signal}"] for signal in ("logs", "spans", "metrics")} == {0}
    assert {scraped[f"proxy_exporter_up{signal}"] for signal in ("logs", "spans", "metrics")} == {1}
    assert sum(value for name, value in scraped.items() if name.startswith("proxy_dropped_total")) == 1
    assert sum(value for name, value in scraped.items() if name.startswith("proxy_dead_letters")) == 0
    assert scraped["proxy_ledger_commit_ms_milliseconds_count"] > 0
    pushed = {metric.name for metric in told.receiver.metrics()}
    assert not pushed & {"proxy.dropped", "proxy.requests.open", "proxy.export.lag_seconds", "proxy.dead_letters"}


def test_sums_over_logs_are_the_sums_of_the_ledger(told: Told) -> None:
    for name in TOKENS:
        assert sum(int(str(facts(log).get(name) or 0)) for log in told.completed) == sum(
            row[name] or 0 for row in told.rows.values()
        )
