"""The real proxy tells the real collector over gRPC; what it is answered there means what we take it for."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.observer import wire
from proxy.observer.delivery.replies import Signal, Verdict
from proxy.observer.delivery.sending import MOST_BYTES, sender_of
from proxy.settings.otlp import GRPC, Exporter
from tests.kit import laws
from tests.kit.process import Proxy
from tests.kit.raw import MESSAGES, ask
from tests.kit.upstream import Upstream
from tests.processes.load import Streams
from tests.stack.own_metrics import queued
from tests.stack.reading_back import loki, prometheus
from tests.stack.running import Stack, prepared_stack, substituted, wait_until

REQUESTS = 20
_DELIVERED_SECONDS = 60.0


def _environment(stack: Stack, data: Path) -> dict[str, str]:
    over_grpc = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"127.0.0.1:{stack.ports.otlp_grpc}"}
    settings = {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_INSECURE": "true"}
    quick = {"OTEL_METRIC_EXPORT_INTERVAL": "1000", "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip"}
    return {**stack.proxy_environment(data), **over_grpc, **settings, **quick}


@pytest.fixture
def proxy(stack: Stack, tmp_path: Path) -> Iterator[Proxy]:
    """In front of the stack; ends with the laws."""
    with Upstream(script=Streams()).running() as upstream:
        one = Proxy(tmp_path, upstream.url, env=_environment(stack, tmp_path / "data"))
        with one.running():
            yield one
            laws.check(one)


def test_all_signals_arrive_over_grpc(stack: Stack, proxy: Proxy) -> None:
    since = time.time()
    asked = {ask(proxy.base_url, MESSAGES).request_id for _ in range(REQUESTS)}

    def told() -> bool:
        lines = loki(stack.loki).lines('{service_name="anthropic-proxy"}', since, time.time() + 1)
        counted = prometheus(stack.prometheus).instant("sum(proxy_request_count_total)", time.time())
        spans = {span.trace_id for span in stack.tempo.spans()}
        return (
            {line.labels["request_id"] for line in lines} == asked
            and [one.last for one in counted] == [REQUESTS]
            and len(spans) == REQUESTS
        )

    wait_until(told, "every signal of every request", _DELIVERED_SECONDS)


def test_the_largest_batch_is_taken_and_a_larger_one_is_refused_so_that_it_is_cut(stack: Stack) -> None:
    """Its receiver takes 4 MiB unless told otherwise."""
    sender = sender_of(Signal.LOGS, _target(stack))
    assert sender.send(_batch(MOST_BYTES - 64 * 1024)).verdict is Verdict.DELIVERED
    refused = sender.send(_batch(MOST_BYTES + 64 * 1024))
    assert (refused.verdict, "larger than max" in refused.said) == (Verdict.REFUSED, True)


def test_a_full_queue_is_waited_out(tmp_path: Path) -> None:
    stack = prepared_stack(tmp_path)
    config = tmp_path / "etc" / "otel-collector" / "config.yaml"
    small = {"queue_size: 1073741824": "queue_size: 300000", "min_size: 1000000": "min_size: 100000"}
    config.write_text(substituted(config.read_text(), small))
    with stack.running("otel-collector"):
        sender = sender_of(Signal.LOGS, _target(stack))
        replies = [sender.send(_batch(100_000)) for _ in range(10)]
        assert {reply.verdict for reply in replies} == {Verdict.DELIVERED, Verdict.AGAIN}
        assert replies[-1].verdict is Verdict.AGAIN
        with stack.running("loki"):
            wait_until(lambda: queued(stack, "logs") == 0, "an empty queue", _DELIVERED_SECONDS)
            assert sender.send(_batch(1_000)).verdict is Verdict.DELIVERED


def _target(stack: Stack) -> Exporter:
    return Exporter(f"http://127.0.0.1:{stack.ports.otlp_grpc}", protocol=GRPC)


def _batch(size: int) -> bytes:
    """A request of about that many bytes, of a service of its own."""
    now = time.time_ns()
    text = "x" * 10_000
    records = [
        wire.log_record(
            time_ns=now + number, severity=wire.Severity.INFO, body=text.encode(), attributes=b"", trace_id=1, span_id=1
        )
        for number in range(size // len(text))
    ]
    return wire.request(wire.resource({"service.name": "batch"}), wire.scope("test"), records)
