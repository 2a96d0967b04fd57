"""The SDK's exporters, called directly."""

from __future__ import annotations

import logging

import pytest
from opentelemetry._logs import LogRecord
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.metrics.export import MetricsData
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from proxy.observer.delivery import Pace, log_delivery, metric_delivery, span_delivery
from proxy.observer.session import Reply as Judged
from proxy.observer.session import Verdict
from proxy.observer.spans import spans
from proxy.settings.otlp import Exporter
from tests.observer.samples import exchange
from tests.receiver import Reply, receiver


def record(text: str = "hello") -> ReadableLogRecord:
    return ReadableLogRecord(LogRecord(timestamp=1, observed_timestamp=1, body=text), Resource({}))


def test_all_signals_reach_their_paths_with_headers_and_compression() -> None:
    with receiver() as one:
        targets = {
            path: Exporter(f"{one.url}/v1/{path}", headers={"authorization": "Bearer x"}, compression="gzip")
            for path in ("logs", "traces", "metrics")
        }
        made = spans(exchange(), None, Resource({}), InstrumentationScope("x"))
        assert log_delivery(targets["logs"]).send([record()]).verdict is Verdict.DELIVERED
        assert span_delivery(targets["traces"]).send(made).verdict is Verdict.DELIVERED
        assert metric_delivery(targets["metrics"]).send(MetricsData([])).verdict is Verdict.DELIVERED
        assert [each.signal for each in one.received] == ["logs", "traces", "metrics"]
        for each in one.received:
            headers = {name.lower(): value for name, value in each.headers.items()}
            assert headers["authorization"] == "Bearer x"
            assert headers["content-encoding"] == "gzip"
            assert headers["content-type"] == "application/x-protobuf"
        assert one.logs()[0].body.string_value == "hello"


def test_one_call_is_one_request(caplog: pytest.LogCaptureFixture) -> None:
    """The caller decides when to try again, and what to say."""
    with receiver() as one, caplog.at_level(logging.WARNING):
        one.always("logs", Reply(503))
        assert log_delivery(Exporter(f"{one.url}/v1/logs")).send([record()]).status == 503
        assert len(one.received) == 1
    assert caplog.records == []


def test_a_batch_that_is_too_large_is_refused_without_being_sent() -> None:
    """G6: what the SDK drops whole has to be cut instead."""
    with receiver() as one:
        delivery = log_delivery(Exporter(f"{one.url}/v1/logs"))
        assert delivery.send([record()]).verdict is Verdict.DELIVERED
        reply = delivery.send([record("x" * 5_000_000)])
        assert (reply.verdict, reply.said) == (Verdict.REFUSED, "not sent: too large or not encodable")
        assert len(one.received) == 1


def test_waits_grow_to_a_limit_and_heed_the_receiver() -> None:
    pace = Pace(first=1.0, most=30.0, slow=60.0, asked=600.0)
    again = Judged(Verdict.AGAIN)
    assert [pace.wait(again, failures) for failures in (1, 2, 3, 6, 1000)] == [1.0, 2.0, 4.0, 30.0, 30.0]
    assert pace.wait(Judged(Verdict.MISCONFIGURED), 1) == 60.0
    assert pace.wait(Judged(Verdict.AGAIN, retry_after=100.0), 1) == 100.0
    assert pace.wait(Judged(Verdict.AGAIN, retry_after=1e9), 1) == 600.0
