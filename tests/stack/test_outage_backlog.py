"""A hundred thousand log records of ten hours wait for Loki, and every one of them is there once in the end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from tests.stack.backlog import feed, spread
from tests.stack.own_metrics import of_collector, of_loki, queued
from tests.stack.reading_back import loki
from tests.stack.running import Stack, prepared_stack, wait_until

_HOURS = 10
_INSTANCES = {"one": 60_000, "two": 40_000}
"""Records of two observers that catch up at the same time."""
_AGAIN = 15_000
_DELIVERED_SECONDS = 90.0


@dataclass(frozen=True)
class _Waiting:
    stack: Stack
    times: dict[str, list[int]]
    """By instance."""

    def send(self) -> None:
        """All records, those of the instances at once and each in order."""
        with ThreadPoolExecutor() as senders:
            list(senders.map(lambda name: feed(self.stack.otlp, name, self.times[name]), self.times))

    def delivered(self) -> None:
        """Waits until the collector has passed everything on."""
        wait_until(lambda: queued(self.stack, "logs") == 0, "an empty queue", _DELIVERED_SECONDS)

    def found(self) -> dict[str, tuple[float, float]]:
        """Records in Loki and the sum of their numbers, by instance."""
        selected = '{service_name="anthropic-proxy"}'
        expressions = (f"count_over_time({selected} [11h])", f"sum_over_time({selected} | unwrap input_tokens [11h])")
        asked = [loki(self.stack.loki).instant(f"sum by (service_instance_id) ({one})", _soon()) for one in expressions]
        counts, sums = ({one.labels["service_instance_id"]: one.last for one in answer} for answer in asked)
        return {name: (count, sums[name]) for name, count in counts.items()}

    @property
    def sent(self) -> dict[str, tuple[float, float]]:
        """What must be found."""
        return {name: (len(times), sum(range(len(times)))) for name, times in self.times.items()}


def _soon() -> float:
    return time.time() + 1


@pytest.fixture(scope="module")
def waiting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Waiting]:
    """The collector was killed with everything in its queue; then it and Loki were started."""
    stack = prepared_stack(tmp_path_factory.mktemp("stack"))
    now = time.time_ns()
    times = {name: spread(count, now - _HOURS * 3_600 * 10**9, now) for name, count in _INSTANCES.items()}
    backlog = _Waiting(stack, times)
    with stack.running("otel-collector") as processes:
        backlog.send()
        processes["otel-collector"].kill()
        processes["otel-collector"].wait()
        with stack.running("otel-collector", "loki"):
            yield backlog


def test_ten_hours_of_records_arrive_once_although_the_collector_was_killed_with_them(waiting: _Waiting) -> None:
    """What was on its way at the kill comes last, ten hours behind its stream; Loki takes it all the same."""
    waiting.delivered()
    assert waiting.found() == waiting.sent
    assert of_collector(waiting.stack, "otelcol_exporter_send_failed_log_records") == 0
    assert of_loki(waiting.stack, "loki_discarded_samples_total") == 0


def test_records_that_are_sent_again_hours_later_are_not_counted_twice(waiting: _Waiting) -> None:
    waiting.delivered()
    before = of_collector(waiting.stack, "otelcol_exporter_sent_log_records")
    feed(waiting.stack.otlp, "two", waiting.times["two"][:_AGAIN])
    waiting.delivered()
    assert of_collector(waiting.stack, "otelcol_exporter_sent_log_records") == before + _AGAIN
    wait_until(lambda: waiting.found() == waiting.sent, "every record to be counted once", _DELIVERED_SECONDS)
