"""The thread that sends the totals."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from proxy.ledger import meta
from proxy.ledger.connect import reader
from proxy.ledger.folder import Folder
from proxy.names import metrics
from proxy.observer import wire
from proxy.observer.delivery.metering import Meter
from proxy.observer.delivery.replies import Signal
from proxy.observer.delivery.sending import sender_of
from proxy.observer.table import Exemplar, Table
from proxy.settings.otlp import Exporter
from proxy.settings.shape import MOST_SERIES
from tests.kit.process import wait
from tests.observer.samples import FAST, ledger, value
from tests.receiver import Receiver, Reply, partial, receiver

LONGEST_NAME = "é" * 196


class Source:
    """A table that a test adds to."""

    def __init__(self) -> None:
        self.table = Table()
        self.clock = 10_000_000_000

    def add(self, number: int) -> None:
        self.clock += 1_000_000_000
        draft = self.table.draft(self.clock)
        draft.add(metrics.UNPRICED, number, "other")
        draft.observe(metrics.REQUEST_TTFT, [60.0], "default", "other", origins=[Exemplar(number, 1, self.clock)])
        self.table.commit(draft)

    def now(self) -> int:
        self.clock += 5_000_000
        return self.clock


@contextmanager
def metering(
    folder: Folder, one: Receiver, source: Source, interval_s: float = 0.02, timeout_s: float = 0.3
) -> Iterator[Meter]:
    meter = Meter(
        folder.ledger,
        sender_of(Signal.METRICS, Exporter(f"{one.url}/v1/metrics", timeout=timeout_s)),
        lambda: (7, source.table.snapshot(), [(metrics.USAGE_UTILIZATION, ("5h",), 37.5)]),
        lambda found: wire.request(wire.resource({}), wire.scope("x"), found),
        interval_s=interval_s,
        pace=FAST,
        clock_ns=source.now,
    )
    meter.start()
    yield meter
    meter.stop()
    assert meter.join(5.0)


def all_points(one: Receiver, name: str) -> list[tuple[int, int]]:
    """Time and value of every point of a counter in the requests taken, in order."""
    found: list[tuple[int, int]] = []
    for request in one.requests("metrics"):
        if request.taken:
            for resource in request.message.resource_metrics:  # type: ignore[union-attr]
                for metric in resource.scope_metrics[0].metrics:
                    if metric.name == name:
                        found += [(point.time_unix_nano, point.as_int) for point in metric.sum.data_points]
    return found


def test_totals_and_gauges_are_sent_at_the_interval_and_at_the_end(tmp_path: Path) -> None:
    folder, source = ledger(tmp_path), Source()
    source.add(3)
    with receiver() as one:
        with metering(folder, one, source, interval_s=60.0) as meter:
            wait(lambda: meter.health.up is True, "the first export")
            assert value(one.metrics(), "proxy.usage.utilization", window="5h") == 37.5
            assert meter.covered == 7
            source.add(4)
        assert value(one.metrics(), "proxy.unpriced.requests", model="other") == 7
        assert len(one.requests("metrics")) == 2


def test_a_series_begins_with_one_zero_whatever_restarts(tmp_path: Path) -> None:
    folder, source = ledger(tmp_path), Source()
    with receiver() as one:
        for number in (1, 2):
            source.add(number)
            with metering(folder, one, source) as meter:
                wait(lambda meter=meter: meter.health.up is True, "an export")  # type: ignore[misc]
        points = all_points(one, "proxy.unpriced.requests")
        assert [number for _, number in points[:2]] == [0, 1]
        assert points[1][0] - points[0][0] == 1_000_000
        assert [number for _, number in points].count(0) == 1
        assert points[-1][1] == 3
        assert [at for at, _ in points] == sorted(at for at, _ in points)


def test_what_is_being_counted_during_an_export_begins_with_zero_too(tmp_path: Path) -> None:
    folder, source = ledger(tmp_path), Source()
    source.add(1)
    with receiver() as one:
        draft = source.table.draft(source.now())
        draft.add(metrics.COOLDOWNS, 2, "caller", "window_rejected")
        with metering(folder, one, source) as meter:
            wait(lambda: meter.health.up is True, "an export without it")
            source.table.commit(draft)
            count = len(one.requests("metrics"))
            wait(lambda: len(one.requests("metrics")) > count + 1, "an export with it")
        assert [number for _, number in all_points(one, "proxy.credential.cooldowns")[:2]] == [0, 2]


def test_an_export_whose_answer_was_lost_keeps_its_zero(tmp_path: Path) -> None:
    folder, source = ledger(tmp_path), Source()
    source.add(1)
    with receiver() as one:
        one.script("metrics", Reply(drop=True))
        with metering(folder, one, source) as meter:
            wait(lambda: meter.health.up is True, "the second export")
        zeros = {at for at, number in all_points(one, "proxy.unpriced.requests") if number == 0}
        assert len(zeros) == 1


@pytest.mark.parametrize("trouble", [Reply(503), Reply(401), Reply(400), Reply(hang=True)], ids=repr)
def test_trouble_ends_with_the_totals_as_they_are(tmp_path: Path, trouble: Reply) -> None:
    folder, source = ledger(tmp_path), Source()
    source.add(5)
    with receiver() as one:
        one.script("metrics", trouble, trouble)
        with metering(folder, one, source) as meter:
            wait(lambda: meter.health.up is True, "recovery")
            assert meter.health.failures == 2
        assert all_points(one, "proxy.unpriced.requests")[1][1] == 5


def test_an_exemplar_is_sent_once(tmp_path: Path) -> None:
    folder, source = ledger(tmp_path), Source()
    source.add(1)
    with receiver() as one:
        with metering(folder, one, source):
            wait(lambda: len(one.requests("metrics")) > 2, "exports")
            source.add(2)
            count = len(one.requests("metrics"))
            wait(lambda: len(one.requests("metrics")) > count + 1, "more exports")
        told = [
            int.from_bytes(exemplar.trace_id, "big")
            for request in one.requests("metrics")
            for metric in request.message.resource_metrics[0].scope_metrics[0].metrics  # type: ignore[union-attr]
            for point in _histogram(metric)
            for exemplar in point.exemplars
        ]
        assert told == [1, 2]


def test_points_that_were_not_taken_are_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder, source = ledger(tmp_path), Source()
    with receiver() as one:
        one.script("metrics", partial("metrics", 4, "out of order"))
        with metering(folder, one, source):
            wait(lambda: bool(caplog.records), "a line")
    assert caplog.records[0].getMessage() == "4 of metrics refused for good (out of order)"


def test_what_was_sent_is_written_down_before_it_is_sent(tmp_path: Path) -> None:
    folder, source = ledger(tmp_path), Source()
    source.add(1)
    with receiver() as one:
        one.always("metrics", Reply(hang=True))
        with metering(folder, one, source):
            wait(lambda: len(one.requests("metrics")) > 0, "an export on its way")
            with closing(reader(folder.ledger)) as conn:
                assert '"tried_ns":[1' in (meta.get(conn, "metrics_export") or "")
            one.stop()


def test_more_than_a_request_holds_goes_in_several(tmp_path: Path) -> None:
    folder, source, most = ledger(tmp_path), Source(), MOST_SERIES
    models = [f"{number:04}{LONGEST_NAME}" for number in range(most)]
    draft = source.table.draft(source.clock)
    for model in models:
        origin = Exemplar(2**128 - 1, 2**64 - 1, source.clock)
        for seconds in (*metrics.GENAI_DURATION.buckets, 1e9):
            labels = ("chat", LONGEST_NAME, model, model, LONGEST_NAME, 65_535, LONGEST_NAME)
            draft.observe(metrics.GENAI_DURATION, [seconds], *labels, origins=[origin])
        draft.add(metrics.UNPRICED, 1, model)
    source.table.commit(draft)
    with receiver() as one:
        one.script("metrics", Reply(), Reply(drop=True), Reply(503))
        with metering(folder, one, source, timeout_s=20.0) as meter:
            wait(lambda: meter.health.up is True, "an export of everything", 60.0)
            assert meter.health.failures == 2
        arrived = {
            point.attributes[0].value.string_value
            for request in one.requests("metrics")
            if request.taken
            for metric in request.message.resource_metrics[0].scope_metrics[0].metrics  # type: ignore[union-attr]
            if metric.name == metrics.UNPRICED.name
            for point in metric.sum.data_points
        }
        zeros = {at for at, number in all_points(one, metrics.UNPRICED.name) if number == 0}
    assert arrived == set(models)
    assert len(zeros) == 1


def _histogram(metric: Metric) -> list:  # type: ignore[type-arg]
    return list(metric.histogram.data_points) if metric.HasField("histogram") else []
