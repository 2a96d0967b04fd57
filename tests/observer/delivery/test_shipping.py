"""Shipping behind a cursor: everything once and in order, whatever the receiver does."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from proxy.ledger import cursors, journal
from proxy.ledger.connect import reader, transaction, writer
from proxy.ledger.folder import Folder
from proxy.ledger.journal import JournalRow
from proxy.ledger.queries import Listed
from proxy.observer import given_up, wire
from proxy.observer.delivery.replies import Signal
from proxy.observer.delivery.sending import sender_of
from proxy.observer.delivery.shipping import Shipper
from proxy.observer.given_up import Counts
from proxy.observer.wire import Severity
from proxy.settings.otlp import Exporter
from tests.kit.process import wait
from tests.ledger import samples
from tests.observer.samples import (
    FAST,
    START_NS,
    cursor,
    exchange,
    ledger,
    messages,
    observing,
    otlp,
    refused,
    request_id,
    store,
)
from tests.receiver import Received, Receiver, Reply, partial, receiver

DAY_NS = 86_400 * 1_000_000_000


def ids(numbers: Sequence[int]) -> list[str]:
    return [request_id(number) for number in numbers]


def done(folder: Folder, name: str = "logs") -> bool:
    with closing(reader(folder.ledger)) as conn:
        return cursors.get(conn, name) == journal.head(conn)


def letters(folder: Folder) -> list[tuple[str, str, str]]:
    with closing(reader(folder.ledger)) as conn:
        return [(each.signal, each.request_id, each.reason) for each in reversed(samples.letters(conn))]


def counts(folder: Folder) -> Counts:
    with closing(reader(folder.ledger)) as conn:
        return given_up.counts(conn)


def delivered(one: Receiver, folder: Folder, numbers: Sequence[int]) -> None:
    wait(lambda: done(folder), "the cursor to reach the head")
    assert messages(one.logs()) == ids(numbers)


def test_every_exchange_is_told_once_in_order_of_commit(tmp_path: Path) -> None:
    folder = ledger(tmp_path)
    with receiver() as one, observing(folder, otlp(one, "logs")):
        store(folder, [exchange(number) for number in (3, 1, 2)])
        store(folder, [refused(4)])
        delivered(one, folder, [3, 1, 2, 4])
        assert messages(one.logs(), "upstream error") == ids([4])
        times = [record.time_unix_nano for record in one.logs() if "completed" in record.body.string_value]
        assert times == sorted(set(times))
        assert {json.loads(record.body.string_value).get("cost_usd") for record in one.logs()} == {0.012072, None}


def test_nothing_is_lost_while_the_receiver_is_away(tmp_path: Path) -> None:
    """G1."""
    folder = ledger(tmp_path)
    with receiver() as one, observing(folder, otlp(one, "logs")) as running:
        store(folder, [exchange(1)])
        delivered(one, folder, [1])
        one.stop()
        store(folder, [exchange(number) for number in range(2, 302)])
        wait(lambda: b'proxy_export_failures_total{signal="logs"} 0.0' not in running.metrics_page()[0], "a failure")
        assert b'proxy_exporter_up{signal="logs"} 0.0' in running.metrics_page()[0]
        assert cursor(folder, "logs") == 1
        one.start()
        delivered(one, folder, range(1, 302))
        wait(lambda: b'proxy_exporter_up{signal="logs"} 1.0' in running.metrics_page()[0], "recovery")


@pytest.mark.parametrize(
    "trouble",
    [
        Reply(429, headers={"retry-after": "0.05"}),
        Reply(500),
        Reply(502),
        Reply(503),
        Reply(504),
        Reply(302, headers={"location": "/"}),
        Reply(body=b"<html>", content_type="text/html"),
        Reply(401),
        Reply(404),
        Reply(hang=True),
    ],
    ids=repr,
)
def test_trouble_keeps_the_batch(tmp_path: Path, trouble: Reply) -> None:
    """G2, G3, G4."""
    folder = ledger(tmp_path)
    with receiver() as one:
        one.script("logs", trouble, trouble)
        with observing(folder, otlp(one, "logs", timeout=0.2)):
            store(folder, [exchange(1), exchange(2)])
            delivered(one, folder, [1, 2])
            assert len(one.requests("logs")) >= 3
    assert letters(folder) == []


def test_a_record_sent_twice_is_the_same_bytes(tmp_path: Path) -> None:
    """G10: the answer was lost, or the signal was set back."""
    folder = ledger(tmp_path)
    with receiver() as one:
        one.script("logs", Reply(drop=True))
        with observing(folder, otlp(one, "logs")):
            store(folder, [refused(1)])
            wait(lambda: done(folder), "the second try")
            first, second = one.requests("logs")
            assert first.body == second.body
            with closing(writer(folder.ledger)) as conn, transaction(conn):
                cursors.set(conn, "logs", 0)
            wait(lambda: len(one.requests("logs")) == 3 and done(folder), "the third delivery")
            assert one.requests("logs")[2].body == first.body
        with observing(folder, otlp(one, "logs")):
            with closing(writer(folder.ledger)) as conn, transaction(conn):
                cursors.set(conn, "logs", 0)
            wait(lambda: len(one.requests("logs")) == 4, "the delivery of the next observer")
            assert one.requests("logs")[3].body == first.body


def _refusing(status: int, *unwanted: str) -> object:
    def judge(one: Received) -> Reply | None:
        return Reply(status, body=b"not this one") if any(each.encode() in one.body for each in unwanted) else None

    return judge


@pytest.mark.parametrize("status", [400, 413])
def test_a_refused_record_is_given_up_alone(tmp_path: Path, status: int) -> None:
    """G3: a 4xx of Loki drops the whole batch otherwise."""
    folder = ledger(tmp_path)
    with receiver() as one:
        one.judge(_refusing(status, *ids([5, 17])))  # type: ignore[arg-type]
        store(folder, [exchange(number) for number in range(1, 21)])
        with closing(writer(folder.ledger)) as conn, transaction(conn):
            cursors.set(conn, "logs", 0)
        with observing(folder, otlp(one, "logs")) as running:
            delivered(one, folder, [number for number in range(1, 21) if number not in (5, 17)])
            assert letters(folder) == [("logs", each, "export_rejected") for each in ids([5, 17])]
            page = running.metrics_page()[0].decode()
            assert 'proxy_dead_letters_total{reason="export_rejected",signal="logs"} 2.0' in page
            assert 'proxy_dropped_total{reason="export_rejected"} 2.0' in page


@pytest.mark.parametrize(("said", "counted"), [(2, 2), (2**63 - 1, 3)])
def test_records_the_receiver_left_out_are_counted(tmp_path: Path, said: int, counted: int) -> None:
    """G5; no receiver can leave out more than it was sent."""
    folder = ledger(tmp_path)
    with receiver() as one:
        one.always("logs", partial("logs", said, "older than 7 days"))
        with observing(folder, otlp(one, "logs")):
            store(folder, [exchange(number) for number in (1, 2, 3)])
            wait(lambda: done(folder), "delivery")
        assert counts(folder) == {"logs": {"partial": counted}}
        assert letters(folder) == []


def test_what_is_too_old_is_given_up_and_the_rest_goes_on(tmp_path: Path) -> None:
    """G7: Loki would refuse the whole batch."""
    folder = ledger(tmp_path)
    store(folder, [exchange(1), exchange(2)])
    with closing(writer(folder.ledger)) as conn, transaction(conn):
        cursors.set(conn, "logs", 0)
        cursors.set(conn, "spans", 0)
        conn.execute("UPDATE journal SET commit_ns = commit_ns - ? WHERE seq = 1", (6 * DAY_NS + 10**9,))
    with receiver() as one, observing(folder, otlp(one, "logs", "traces")):
        delivered(one, folder, [2])
        wait(lambda: done(folder, "spans"), "spans")
        assert len(one.spans()) == 4
    assert letters(folder) == [("logs", request_id(1), "too_old")]


def test_batches_are_cut_by_bytes(tmp_path: Path) -> None:
    """G6."""
    folder = ledger(tmp_path)
    text = "x" * 1000
    fields = ("path", "key", "group", "workflow", "agent_id", "model")
    large = [
        replace(exchange(number), **dict.fromkeys(fields, text), customer_data=text)  # type: ignore[arg-type]
        for number in range(1, 501)
    ]
    store(folder, large)
    with closing(writer(folder.ledger)) as conn, transaction(conn):
        cursors.set(conn, "logs", 0)
    with receiver() as one, observing(folder, otlp(one, "logs")):
        delivered(one, folder, range(1, 501))
        sizes = [len(each.body) for each in one.requests("logs")]
        assert max(sizes) <= 4 * 1024 * 1024
        assert sum(sizes) > 6 * 1024 * 1024


def test_an_endpoint_that_hangs_holds_back_no_other(tmp_path: Path) -> None:
    """G2."""
    folder = ledger(tmp_path)
    with receiver() as one:
        one.always("logs", Reply(hang=True))
        with observing(folder, otlp(one, timeout=1.0)):
            store(folder, [exchange(number) for number in range(1, 51)])
            wait(lambda: len(one.spans()) == 100, "spans")
            wait(lambda: len(one.requests("metrics")) > 2, "metrics")
            assert cursor(folder, "logs") == 0


@dataclass
class Making:
    """Makes records of all rows but some."""

    bad: set[int] = field(default_factory=lambda: {2})

    def __call__(self, row: JournalRow, listed: Listed) -> list[bytes]:
        if row.seq in self.bad:
            raise ValueError("cannot be made")
        return _record(listed)


def _record(listed: Listed) -> list[bytes]:
    body = json.dumps({"msg": "completed", "request_id": listed.exchange.request_id})
    return [
        wire.log_record(time_ns=1, severity=Severity.INFO, body=body.encode(), attributes=b"", trace_id=1, span_id=1)
    ]


@contextmanager
def shipping(folder: Folder, one: Receiver, making: Making | None = None) -> Iterator[Shipper]:
    """A shipper of its own, everything being projected."""
    with closing(writer(folder.ledger)) as conn, transaction(conn):
        cursors.set(conn, "logs", 0)
        cursors.set(conn, "metrics", journal.head(conn))
    target = sender_of(Signal.LOGS, Exporter(f"{one.url}/v1/logs"))
    shipper = Shipper(
        Signal.LOGS, folder.ledger, target, making or Making(), lambda made: wire.request(b"", b"", made), pace=FAST
    )
    shipper.start()
    yield shipper
    shipper.stop()
    assert shipper.join(5.0)


def test_a_record_that_cannot_be_made_is_given_up_alone(tmp_path: Path) -> None:
    folder = ledger(tmp_path)
    store(folder, [exchange(number) for number in (1, 2, 3)])
    with receiver() as one, shipping(folder, one):
        delivered(one, folder, [1, 3])
    assert letters(folder) == [("logs", request_id(2), "poison")]


def test_when_nothing_can_be_made_of_any_record_the_rest_waits_for_a_better_program(tmp_path: Path) -> None:
    """G11: an error of ours is no reason to give everything up"""
    folder, making = ledger(tmp_path), Making(set(range(3, 30)))
    store(folder, [exchange(number) for number in range(1, 30)])
    with receiver() as one, shipping(folder, one, making) as shipper:
        wait(lambda: shipper.health.up is False and shipper.health.failures > 1, "the trouble to be shown")
        assert cursor(folder, "logs") == 12
        assert messages(one.logs()) == ids([1, 2])
        making.bad.clear()
        delivered(one, folder, [1, 2, *range(13, 30)])
        assert shipper.health.up
    assert letters(folder) == [("logs", request_id(number), "poison") for number in range(3, 13)]


def test_a_thread_that_fails_goes_on_at_its_cursor(tmp_path: Path) -> None:
    """G11: the cursor could not be moved for a while."""
    folder = ledger(tmp_path)
    store(folder, [exchange(1)])
    with closing(writer(folder.ledger)) as conn, receiver() as one:
        conn.execute("CREATE TRIGGER fault BEFORE UPDATE ON cursors BEGIN SELECT RAISE(ABORT, 'fault'); END")
        with shipping(folder, one):
            wait(lambda: len(one.logs()) >= 2, "a delivery after the failure")
            assert cursor(folder, "logs") == 0
            conn.execute("DROP TRIGGER fault")
            wait(lambda: done(folder), "the cursor")
        assert set(messages(one.logs())) == set(ids([1]))
        assert len({record.SerializeToString() for record in one.logs()}) == 1


def test_records_are_stamped_with_the_commit_not_with_the_sending(tmp_path: Path) -> None:
    folder = ledger(tmp_path)
    with receiver() as one, observing(folder, otlp(one, "logs")):
        store(folder, [exchange(1)])
        delivered(one, folder, [1])
    with closing(reader(folder.ledger)) as conn:
        (row,) = journal.after(conn, 0, 10)
    (record,) = one.logs()
    assert record.time_unix_nano == record.observed_time_unix_nano == row.commit_ns > START_NS
