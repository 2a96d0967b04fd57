"""What the collector does with what it cannot pass on: keeps it, refuses it or counts it."""

from __future__ import annotations

import itertools
import subprocess
import time
import urllib.error
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import pytest

from tests.servers.cache import program
from tests.stack.backlog import feed, spread
from tests.stack.own_metrics import of_collector, of_loki, queued
from tests.stack.reading_back import Line, loki
from tests.stack.running import Stack, prepared_stack, substituted, wait_until

_CONFIG = Path(__file__).resolve().parents[2] / "otel-collector" / "config.yaml"
_KEY = "sk-ant-api03-0123456789abcdef-AA"
_LONGEST_LINE = 256 * 1024
_DELIVERED_SECONDS = 30.0
_A_FEW = 100
_S = 10**9


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Collector and Loki."""
    prepared = prepared_stack(tmp_path_factory.mktemp("stack"))
    with prepared.running("otel-collector", "loki"):
        yield prepared


def _ago(seconds: int) -> list[int]:
    """The moment so long ago."""
    return [time.time_ns() - seconds * _S]


def _found(stack: Stack, instance: str) -> list[Line]:
    """Of an instance of the proxy."""
    selected = f'{{service_name="anthropic-proxy", service_instance_id="{instance}"}}'
    return loki(stack.loki).lines(selected, time.time() - 3_600, time.time() + 1)


def _delivered(stack: Stack) -> None:
    wait_until(lambda: queued(stack, "logs") == 0, "an empty queue", _DELIVERED_SECONDS)


def test_the_configuration_is_valid() -> None:
    checked = subprocess.run(
        [program("otel-collector"), "validate", f"--config={_CONFIG}"], capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stderr


def test_a_key_that_got_this_far_is_masked(stack: Stack) -> None:
    feed(stack.otlp, "leaking", _ago(5), model=f"key {_KEY}!")
    _delivered(stack)
    [line] = _found(stack, "leaking")
    assert line.labels["model"] == "key ****!"
    assert _KEY not in line.text


def test_records_that_loki_refuses_are_counted_and_hold_up_nothing(stack: Stack) -> None:
    """By these series, on which there are alerts, a loss behind the collector is seen."""
    failed, discarded = "otelcol_exporter_send_failed_log_records", "loki_discarded_samples_total"
    before = of_collector(stack, failed), of_loki(stack, discarded)
    feed(stack.otlp, "too long", _ago(5), model="x" * _LONGEST_LINE)
    feed(stack.otlp, "too old", [*_ago(8 * 86_400), *_ago(5)])
    _delivered(stack)
    assert [len(_found(stack, name)) for name in ("too long", "too old")] == [0, 1]
    assert of_loki(stack, discarded) == before[1] + 2
    # With the one that was stored: the collector knows of whole batches only.
    assert of_collector(stack, failed) == before[0] + 3


def test_a_full_queue_refuses_what_comes_and_keeps_what_it_has(tmp_path: Path) -> None:
    """The sender is told to come again, which the proxy does."""
    stack = prepared_stack(tmp_path)
    config = tmp_path / "etc" / "otel-collector" / "config.yaml"
    small = {"queue_size: 1073741824": "queue_size: 300000", "min_size: 1000000": "min_size: 100000"}
    config.write_text(substituted(config.read_text(), small))
    times = spread(_A_FEW, time.time_ns() - 60 * _S, time.time_ns())
    with stack.running("otel-collector"):
        answers = list(itertools.takewhile(lambda status: status == HTTPStatus.OK, _answers(stack, times)))
        assert len(answers) > 1
        assert next(_answers(stack, times)) == HTTPStatus.SERVICE_UNAVAILABLE
        with stack.running("loki"):
            _delivered(stack)
            assert {len(_found(stack, f"number {number}")) for number in range(len(answers))} == {_A_FEW}
            assert next(_answers(stack, times)) == HTTPStatus.OK


def _answers(stack: Stack, times: list[int]) -> Iterator[int]:
    """Status for records of one instance after the other."""
    for number in itertools.count():
        try:
            feed(stack.otlp, f"number {number}", times)
            yield HTTPStatus.OK
        except urllib.error.HTTPError as refusal:
            yield refusal.code
