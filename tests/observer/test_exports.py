"""Which signals are sent, and as whose."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from proxy.ledger.connect import reader
from proxy.ledger.meta import instance_id
from proxy.settings.otlp import Otlp
from tests.kit.process import wait
from tests.observer.samples import cursor, exchange, ledger, messages, observer, observing, otlp, store
from tests.receiver import Received, Reply, receiver, values


@dataclass(frozen=True)
class Sent:
    resource: dict[str, object]
    scope: str


def sent(one: Received) -> Sent:
    message = one.message
    for kind in ("logs", "spans", "metrics"):
        for resource in getattr(message, f"resource_{kind}", ()):
            return Sent(dict(values(resource.resource.attributes)), getattr(resource, f"scope_{kind}")[0].scope.name)
    raise AssertionError("nothing in it")


def test_every_signal_names_service_and_ledger(tmp_path: Path) -> None:
    folder = ledger(tmp_path)
    with closing(reader(folder.ledger)) as conn:
        instance = instance_id(conn)
    with receiver() as one:
        target = msgspec.structs.replace(otlp(one), resource={"deployment.environment.name": "test"})
        with observing(folder, target):
            store(folder, [exchange(1)])
            wait(lambda: one.logs() and one.spans() and one.requests("metrics"), "all signals")
        found = {signal: sent(one.requests(signal)[0]) for signal in ("logs", "traces", "metrics")}
    named = {
        "service.name": "anthropic-proxy",
        "service.instance.id": instance,
        "deployment.environment.name": "test",
    }
    assert found["logs"] == Sent(dict(named), "anthropic-proxy")
    version = found["traces"].resource.pop("service.version")
    assert isinstance(version, str)
    assert found["metrics"].resource.pop("service.version") == version
    assert found["traces"] == found["metrics"] == found["logs"]


def test_a_signal_without_endpoint_has_no_cursor_and_begins_at_what_is_new(tmp_path: Path) -> None:
    folder = ledger(tmp_path)
    with receiver() as one:
        with observing(folder, Otlp()):
            store(folder, [exchange(1)])
            wait(lambda: cursor(folder, "metrics") == 1, "projection")
            assert cursor(folder, "logs") is None
            assert cursor(folder, "spans") is None
        with observing(folder, otlp(one, "logs")):
            store(folder, [exchange(2)])
            wait(lambda: cursor(folder, "logs") == 2, "delivery")
            assert messages(one.logs()) == [exchange(2).request_id]
            assert cursor(folder, "spans") is None
        with observing(folder, Otlp()):
            assert cursor(folder, "logs") is None


@pytest.mark.parametrize(("sampler", "expected"), [("always_on", 2), ("always_off", 0)])
def test_the_sampler_decides_about_spans_only(tmp_path: Path, sampler: str, expected: int) -> None:
    folder = ledger(tmp_path)
    with receiver() as one:
        with observing(folder, msgspec.structs.replace(otlp(one, "logs", "traces"), sampler=sampler)):
            store(folder, [exchange(1)])
            wait(lambda: cursor(folder, "logs") == cursor(folder, "spans") == 1, "delivery")
        assert len(one.spans()) == expected
        assert len(one.logs()) == 1


def test_stopping_is_not_held_by_endpoints_that_hang(tmp_path: Path) -> None:
    """G2: at most five seconds, and what was on its way stays pending."""
    folder = ledger(tmp_path)
    with receiver() as one:
        for signal in ("logs", "traces", "metrics"):
            one.always(signal, Reply(hang=True))
        running = observer(folder, otlp(one, timeout=60.0))
        running.start()
        store(folder, [exchange(1)])
        wait(lambda: len(one.received) >= 3, "requests that hang")
        begun = time.monotonic()
        running.stop()
        assert time.monotonic() - begun < 6
        assert cursor(folder, "logs") == 0


def test_stopping_sends_what_waits(tmp_path: Path) -> None:
    folder = ledger(tmp_path)
    with receiver() as one:
        with observing(folder, otlp(one), interval_s=60.0):
            store(folder, [exchange(number) for number in range(1, 101)])
        assert len(messages(one.logs())) == 100
        assert len(one.spans()) == 200
        assert cursor(folder, "logs") == cursor(folder, "spans") == cursor(folder, "metrics") == 100


def test_what_was_recorded_before_the_first_observer_looked_is_sent(tmp_path: Path) -> None:
    folder = ledger(tmp_path)
    store(folder, [exchange(1), exchange(2)])
    with receiver() as one, observing(folder, otlp(one)):
        wait(lambda: len(messages(one.logs())) == 2, "the logs of both")
        wait(lambda: len({span.trace_id for span in one.spans()}) == 2, "the spans of both")
