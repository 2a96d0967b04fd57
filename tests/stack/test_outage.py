"""What the collector has taken survives its own death and the absence of everything behind it."""

from __future__ import annotations

import time
from pathlib import Path

from tests.stack.reading_back import loki, prometheus
from tests.stack.running import prepared_stack, wait_until
from tests.stack.sending import Call, sender

_CALLS = 300
_DELIVERED_SECONDS = 90.0


def test_nothing_taken_is_lost_when_the_collector_is_killed_while_prometheus_and_loki_are_away(tmp_path: Path) -> None:
    stack = prepared_stack(tmp_path)
    with stack.running("otel-collector") as processes, sender(stack.otlp, "an-instance", {}) as feed:
        for number in range(_CALLS):
            feed.call(Call("claude-opus-4-6", 200, input_tokens=number, output_tokens=1))
        feed.flush()
        processes["otel-collector"].kill()
        processes["otel-collector"].wait()
        with stack.running("prometheus", "loki", "otel-collector"):
            counted, logged = prometheus(stack.prometheus), loki(stack.loki)
            selected = '{service_name="anthropic-proxy"} |= "completed"'
            wait_until(
                lambda: logged.value(f"sum(count_over_time({selected} [1h]))", time.time()) == _CALLS,
                f"{_CALLS} log records in Loki",
                _DELIVERED_SECONDS,
            )
            wait_until(
                lambda: counted.value("sum(proxy_request_count_total)", time.time()) == _CALLS,
                f"{_CALLS} requests in Prometheus",
                _DELIVERED_SECONDS,
            )
            tokens = logged.value(
                f'sum(sum_over_time({selected} | unwrap input_tokens | __error__="" [1h]))', time.time()
            )
    assert tokens == sum(call.input_tokens for call in feed.sent)
