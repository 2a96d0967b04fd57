"""One call is one request, by whichever protocol."""

from __future__ import annotations

import logging

import pytest

from proxy.observer import wire
from proxy.observer.delivery.replies import Reply as Judged
from proxy.observer.delivery.replies import Signal, Verdict
from proxy.observer.delivery.sending import Pace, sender_of
from proxy.settings.otlp import Exporter
from tests.receiver import Reply, receiver

PATHS = {Signal.METRICS: "metrics", Signal.LOGS: "logs", Signal.SPANS: "traces"}
HELLO = wire.request(
    wire.resource({}),
    wire.scope("x"),
    [wire.log_record(time_ns=1, severity=wire.Severity.INFO, body=b"hello", attributes=b"", trace_id=1, span_id=1)],
)


@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_all_signals_reach_their_paths_with_headers_and_compression(compression: str) -> None:
    with receiver() as one:
        for signal, path in PATHS.items():
            target = Exporter(f"{one.url}/v1/{path}", headers={"authorization": "Bearer x"}, compression=compression)
            payload = HELLO if signal is Signal.LOGS else b""
            assert sender_of(signal, target).send(payload).verdict is Verdict.DELIVERED
        assert [each.signal for each in one.received] == list(PATHS.values())
        for each in one.received:
            headers = {name.lower(): value for name, value in each.headers.items()}
            assert headers["authorization"] == "Bearer x"
            assert headers.get("content-encoding", "none") == compression
            assert headers["content-type"] == "application/x-protobuf"
            assert headers["user-agent"].startswith("anthropic-proxy/")
        assert one.logs()[0].body.string_value == "hello"


def test_one_call_is_one_request(caplog: pytest.LogCaptureFixture) -> None:
    """The caller decides when to try again, and what to say."""
    with receiver() as one, caplog.at_level(logging.WARNING):
        one.always("logs", Reply(503))
        assert sender_of(Signal.LOGS, Exporter(f"{one.url}/v1/logs")).send(HELLO).status == 503
        assert len(one.received) == 1
    assert caplog.records == []


def test_waits_grow_to_a_limit_and_heed_the_receiver() -> None:
    pace = Pace(first=1.0, most=30.0, slow=60.0, asked=600.0)
    again = Judged(Verdict.AGAIN)
    assert [pace.wait(again, failures) for failures in (1, 2, 3, 6, 1000)] == [1.0, 2.0, 4.0, 30.0, 30.0]
    assert pace.wait(Judged(Verdict.MISCONFIGURED), 1) == 60.0
    assert pace.wait(Judged(Verdict.AGAIN, retry_after=100.0), 1) == 100.0
    assert pace.wait(Judged(Verdict.AGAIN, retry_after=1e9), 1) == 600.0
