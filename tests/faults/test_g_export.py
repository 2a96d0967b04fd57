"""Group G, delivery: receivers that are away, hang, answer nonsense, refuse, or take without saying so."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from pathlib import Path

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from proxy.settings.otlp import GRPC, HTTP, read_otlp
from tests.faults.exporting import (
    SHOWN,
    SIGNALS,
    assert_all_told,
    by_id,
    copies,
    exporting,
    hang,
    health,
    kill_on_next,
    log_id,
    memory,
    passes,
    span_id,
    telling,
    to,
)
from tests.kit import certificates
from tests.kit.process import Proxy, wait
from tests.kit.raw import MESSAGES, ask, post
from tests.kit.upstream import Upstream
from tests.processes.load import Load, Streams
from tests.receiver import Received, Receiver, Reply, Taken, partial, receiver, values
from tests.receiver_grpc import GrpcReceiver, grpc_receiver

AWAY_S = 3.0
"""How long the collector refuses, and again how long it hangs."""
MOST_GROWTH = 40 << 20
"""Bytes of memory that nothing which is kept for later may add; generous, because interpreters breathe."""
HELD_S = 5.0
"""Longest time that a collector may hold up the end."""
EVERYWHERE = {"ANTHROPIC_PROXY_INSPECTOR_LISTEN": "0.0.0.0:0", "ANTHROPIC_PROXY_INSPECTOR_ALLOWED_HOSTS": "localhost"}
"""As in a container; links lead to what can be connected to."""
Receiving = Callable[[], AbstractContextManager[Receiver | GrpcReceiver]]
DEATH = """
import ctypes, pathlib, threading, time
told = pathlib.Path(__file__).with_name("die")
def watch():
    while True:
        time.sleep(0.02)
        if told.exists():
            for thread in threading.enumerate():
                if thread.name == told.read_text():
                    end = ctypes.pythonapi.PyThreadState_SetAsyncExc
                    end(ctypes.c_ulong(thread.ident), ctypes.py_object(SystemExit))
                    told.unlink()
                    break
threading.Thread(target=watch, daemon=True).start()
"""
"""Read by every Python at its start: ends the thread whose name is written into a file."""
BAD = b'{"model": "refuse-me", "stream": true}'


@pytest.mark.timeout(180)
@pytest.mark.parametrize("receiving", [receiver, grpc_receiver], ids=["http", "grpc"])
def test_g1_a_collector_that_was_away_gets_everything_and_nobody_notices_meanwhile(
    tmp_path: Path, receiving: Receiving
) -> None:
    """Refused connections, then hanging ones; memory flat, requests unaffected, totals exact."""
    with receiving() as otlp, exporting(tmp_path, otlp) as proxy, Load(proxy.base_url) as load:
        wait(lambda: len(load.answered) > 200 and otlp.logs(), "everything to be warm")
        before = memory(proxy)
        otlp.stop()
        passes(load, AWAY_S)
        hang(otlp, hanging=True)
        otlp.start()
        passes(load, AWAY_S)
        missed = len(load.answered) - len(otlp.logs())
        for family, expected in (("exporter_up", 0), ("export_lag_seconds", None), ("export_failures_total", None)):
            shown = health(proxy, f"proxy_{family}")
            assert set(shown) == set(SHOWN)
            assert all(value == expected if expected is not None else value > 0 for value in shown.values())
        grown = {name: now - before[name] for name, now in memory(proxy).items()}
        hang(otlp, hanging=False)
        load.stop()
        assert (load.wrong, load.broken) == ([], 0)
        assert missed > 0
        assert_all_told(proxy, otlp, len(load.answered))
        assert max(grown.values()) < MOST_GROWTH, grown


def test_g2_a_stop_is_not_held_by_a_collector_that_hangs_and_the_rest_is_sent_next_time(tmp_path: Path) -> None:
    with Upstream(script=Streams()).running() as upstream, receiver() as otlp:
        proxy = Proxy(tmp_path, upstream.url, env={**to(otlp), "OTEL_EXPORTER_OTLP_TIMEOUT": "60000"})
        hang(otlp, hanging=True)
        proxy.start()
        with Load(proxy.base_url) as load:
            wait(lambda: len(load.answered) > 50 and otlp.requests("logs"), "a delivery to hang")
            load.stop()
        begun = time.monotonic()
        assert proxy.stop() == 0
        assert time.monotonic() - begun <= HELD_S
        hang(otlp, hanging=False)
        with telling(proxy, otlp):
            assert_all_told(proxy, otlp, len(load.answered))


@pytest.mark.parametrize("reply", [Reply(hang=True), Reply(drip=True)], ids=["hangs", "one byte a second"])
def test_g2_a_reply_that_does_not_end_is_given_up_in_time(tmp_path: Path, reply: Reply) -> None:
    with receiver() as otlp, exporting(tmp_path, otlp) as proxy:
        otlp.script("logs", reply)
        ask(proxy.base_url, MESSAGES)
        wait(lambda: len(otlp.requests("logs")) == 2, "the second try")
        first, second = otlp.requests("logs")
        assert 1 <= second.at - first.at < 5
        assert_all_told(proxy, otlp, 1)


@pytest.mark.parametrize("protocol", [HTTP, GRPC])
def test_g2_an_export_has_ten_seconds_unless_told_otherwise(protocol: str) -> None:
    where = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}
    found = read_otlp(where)
    assert [one and one.timeout for one in (found.metrics, found.logs, found.traces)] == [10.0] * 3


def test_g3_busy_and_broken_collectors_get_everything_in_the_end(tmp_path: Path) -> None:
    with receiver() as otlp, exporting(tmp_path, otlp) as proxy:
        otlp.script("logs", Reply(429, headers={"retry-after": "3"}), Reply(500))
        otlp.script("traces", Reply(503), Reply(504))
        otlp.script("metrics", Reply(502), Reply(408))
        for _ in range(5):
            ask(proxy.base_url, MESSAGES)
        assert_all_told(proxy, otlp, 5)
        times = [one.at for one in otlp.requests("logs")]
        assert times[1] - times[0] >= 3
        assert proxy.rows("SELECT * FROM dead_letters") == []
        assert health(proxy, "proxy_export_failures_total")["logs"] == 2


def test_g3_what_is_refused_for_its_contents_is_given_up_alone(tmp_path: Path) -> None:
    """A batch is halved until the record stands alone; metrics do not know of it."""
    with Upstream(script=Streams()).running() as upstream, receiver() as otlp:
        otlp.judge(lambda received: Reply(400) if b"refuse-me" in received.body else None)
        otlp.stop()
        with telling(Proxy(tmp_path, upstream.url, env=to(otlp)), otlp) as proxy:
            asked = [ask(proxy.base_url, post("/v1/messages", BAD) if n == 7 else MESSAGES) for n in range(20)]
            bad = asked[7].request_id
            otlp.start()
            wait(lambda: len(letters(proxy)) == 2, "both refusals", 40)
            assert letters(proxy) == {("logs", bad, "export_rejected"), ("spans", bad, "export_rejected")}
            good = {row["request_id"] for row in proxy.finished(20)} - {bad}
            wait(lambda: {found for _, found in by_id(otlp.logs(), log_id)} == good, "all others")
            wait(lambda: len(otlp.spans()) == 2 * len(good), "their spans")
            assert health(proxy, "proxy_dropped_total")["export_rejected"] == 2


def test_g3_what_is_too_much_comes_in_parts_and_a_wrong_credential_loses_nothing(tmp_path: Path) -> None:
    """413 is answered by smaller requests; 401 is waited out, slowly, until somebody has mended the settings."""
    mended, asked = threading.Event(), threading.Event()

    def judge(received: Received) -> Reply | None:
        if isinstance(received.message, ExportLogsServiceRequest):
            too_much = len(received.message.resource_logs[0].scope_logs[0].log_records) > 3
            return (Reply(413) if too_much else None) if asked.is_set() else Reply(503)
        return Reply(401, b"who are you?") if received.signal == "traces" and not mended.is_set() else None

    with Upstream(script=Streams()).running() as upstream, receiver() as otlp:
        otlp.judge(judge)
        proxy = Proxy(tmp_path, upstream.url, env=to(otlp))
        with telling(proxy, otlp):
            ids = {ask(proxy.base_url, MESSAGES).request_id for _ in range(20)}
            asked.set()
            wait(lambda: {found for _, found in by_id(otlp.logs(), log_id)} == ids, "every log", 40)
            wait(lambda: "spans are not delivered (status 401 who are you?)" in proxy.said(), "the complaint", 40)
            assert ": check endpoint and credentials; they are kept" in proxy.said()
            assert health(proxy, "proxy_exporter_up")["spans"] == 0
        mended.set()
        with telling(proxy, otlp):
            assert_all_told(proxy, otlp, 20)
        assert letters(proxy) == set()


def letters(proxy: Proxy) -> set[tuple[str, str, str]]:
    """Signal, request and reason of what was given up."""
    rows = proxy.rows("SELECT signal, request_id, reason FROM dead_letters")
    return {(row["signal"], row["request_id"], row["reason"]) for row in rows}


def test_g4_a_collector_that_answers_nonsense_costs_no_request_and_no_record(tmp_path: Path) -> None:
    """A redirection, a page for people, an answer that breaks off: none of them is success."""
    with Upstream(script=Streams()).running() as upstream, receiver() as otlp:
        proxy = Proxy(tmp_path, upstream.url, env=to(otlp))
        otlp.always("logs", Reply(302, headers={"location": "/login"}))
        otlp.always("traces", Reply(body=b"<html>Welcome</html>", content_type="text/html"))
        otlp.always("metrics", Reply(raw=b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n"))
        with proxy.running(), Load(proxy.base_url) as load:
            wait(lambda: len(load.answered) > 50 and all(map(otlp.requests, SIGNALS)), "every signal to be answered")
            wait(lambda: health(proxy, "proxy_exporter_up") == dict.fromkeys(SHOWN, 0), "that to be shown")
            load.stop()
            assert (load.wrong, load.broken) == ([], 0)
        assert (otlp.logs(), otlp.spans()) == ([], [])
        for kind in SIGNALS:
            otlp.always(kind, None)
        with telling(proxy, otlp):
            assert_all_told(proxy, otlp, len(load.answered))
        assert proxy.rows("SELECT * FROM dead_letters") == []


def test_g5_records_that_were_not_taken_are_counted_by_reason(tmp_path: Path) -> None:
    with receiver() as otlp, exporting(tmp_path, otlp) as proxy:
        otlp.script("logs", partial("logs", 1, "line too long"))
        otlp.script("traces", partial("traces", 2, "no"))
        ask(proxy.base_url, MESSAGES)
        wait(lambda: health(proxy, "proxy_dropped_total")["export_rejected"] == 3, "the counts")
        shown = proxy.metrics()
        assert 'proxy_dead_letters_total{reason="partial",signal="logs"} 1.0' in shown
        assert 'proxy_dead_letters_total{reason="partial",signal="spans"} 2.0' in shown
        assert "1 of logs refused for good (line too long)" in proxy.said()


def test_g6_no_request_and_no_record_is_large_however_large_bodies_and_names_are(tmp_path: Path) -> None:
    """One that was away gets a backlog in several requests; what is cut leads to the ledger."""
    name = "n" * 10_000
    headers = f"User-Agent: {name}\r\nX-Proxy-Metadata: " + '{"a": "' + "m" * 4_000 + '"}\r\n'
    body = b'{"model": "%s", "stream": true, "x": "%s"}' % (name.encode(), b"y" * 200_000)
    request = post(f"/v1/messages/{name[:5_000]}", body, headers)
    with Upstream().running() as upstream, receiver() as otlp:
        otlp.stop()
        with telling(Proxy(tmp_path, upstream.url, env={**to(otlp), **EVERYWHERE}), otlp) as proxy:
            for _ in range(300):
                assert ask(proxy.base_url, request).status == 200
            otlp.start()
            wait(lambda: len(otlp.logs()) == 300 and len(otlp.spans()) == 600, "the backlog", 60)
            assert max(len(one.body) for one in otlp.received) <= 4 * 1024 * 1024
            for record in otlp.logs():
                assert record.ByteSize() < 20_000
                attributes = values(record.attributes)
                assert attributes["inspector_url"] == f"{proxy.inspector_url}/requests/{attributes['request_id']}"
            row = proxy.exchange(str(values(otlp.logs()[0].attributes)["request_id"]))
            assert (row["request_bytes"], len(row["path"])) == (len(body), 5_013)


def test_g10_what_was_taken_without_an_answer_comes_again_as_the_same_bytes(tmp_path: Path) -> None:
    with receiver() as otlp, exporting(tmp_path, otlp) as proxy:
        for kind in SIGNALS:
            otlp.script(kind, Reply(drop=True))
        for _ in range(5):
            ask(proxy.base_url, MESSAGES)
        assert_all_told(proxy, otlp, 5)
        assert max(copies(otlp.logs(), log_id)) == 2
        assert max(copies(otlp.spans(), span_id)) == 2


@pytest.mark.timeout(180)
def test_g11_an_observer_killed_while_exporting_leaves_nothing_out_and_repeats_only_the_same_bytes(
    tmp_path: Path,
) -> None:
    """Killed when the receiver has taken a batch and has not yet said so."""
    with receiver() as otlp, exporting(tmp_path, otlp) as proxy, Load(proxy.base_url) as load:
        for kind in SIGNALS:
            settled = len(load.answered)
            wait(lambda n=settled: len(load.answered) > n + 20, "traffic to flow")  # type: ignore[misc]
            kill_on_next(otlp, kind, proxy)
        load.stop()
        assert (load.wrong, load.broken) == ([], 0)
        assert_all_told(proxy, otlp, len(load.answered))
        assert max(copies(otlp.logs(), log_id)) > 1


def test_g11_threads_that_die_are_there_again_and_go_on_where_they_were(tmp_path: Path) -> None:
    """By `SystemExit`, of which nothing is heard where a thread ends."""
    (tmp_path / "sitecustomize.py").write_text(DEATH)
    with receiver() as otlp, exporting(tmp_path, otlp, {"PYTHONPATH": str(tmp_path)}) as proxy:
        ask(proxy.base_url, MESSAGES)
        wait(lambda: health(proxy, "proxy_exporter_up") == dict.fromkeys(SHOWN, 1), "a first delivery")
        observer = proxy.pid("observer")
        for name in SHOWN:
            (tmp_path / "die").write_text(f"send {name}")
            wait(lambda: not (tmp_path / "die").exists(), "the fault")
            ask(proxy.base_url, MESSAGES)
            wait(lambda n=name: f"sending of {n} failed and goes on" in proxy.said(), "it to show")  # type: ignore[misc]
        wait(lambda: health(proxy, "proxy_exporter_up") == dict.fromkeys(SHOWN, 1), "recovery", 40)
        assert_all_told(proxy, otlp, 4)
        assert proxy.pid("observer") == observer
        assert set(health(proxy, "proxy_export_failures_total").values()) == {1}


def test_g11_threads_that_cannot_note_what_was_delivered_go_on_where_they_were(tmp_path: Path) -> None:
    with receiver() as otlp, exporting(tmp_path, otlp) as proxy:
        ask(proxy.base_url, MESSAGES)
        wait(lambda: health(proxy, "proxy_exporter_up") == dict.fromkeys(SHOWN, 1), "a first delivery")
        with closing(sqlite3.connect(proxy.data / "ledger.sqlite3", isolation_level=None, timeout=20)) as conn:
            conn.execute(
                "CREATE TRIGGER fault BEFORE UPDATE ON cursors WHEN new.name <> 'metrics'"
                " BEGIN SELECT RAISE(ABORT, 'fault'); END"
            )
            ask(proxy.base_url, MESSAGES)
            wait(lambda: health(proxy, "proxy_exporter_up") == {"logs": 0, "spans": 0, "metrics": 1}, "the fault")
            conn.execute("DROP TRIGGER fault")
        wait(lambda: health(proxy, "proxy_exporter_up") == dict.fromkeys(SHOWN, 1), "recovery", 40)
        assert_all_told(proxy, otlp, 2)
        assert "sending of logs failed and goes on where it stands" in proxy.said()


def test_g12_without_an_endpoint_the_start_says_that_nothing_is_sent(tmp_path: Path) -> None:
    with Upstream(script=Streams()).running() as upstream, telling(Proxy(tmp_path, upstream.url), Taken()) as proxy:
        assert ask(proxy.base_url, MESSAGES).status == 200
        assert "sent by OTLP: nothing, no endpoint is set" in proxy.said()


def test_g12_endpoints_that_cannot_be_used_cost_a_line_a_minute_and_no_request(tmp_path: Path) -> None:
    """Nobody there, HTTPS where plain HTTP is spoken, gRPC with a certificate that nobody signed."""
    certificates.authority(tmp_path)
    certificates.server(tmp_path, signed=False)
    [chain] = tmp_path.glob("server*.pem")
    grpc = GrpcReceiver(certificate=(chain.with_suffix(".key").read_bytes(), chain.read_bytes()))
    grpc.start()
    with Upstream(script=Streams()).running() as upstream, receiver() as otlp:
        targets = {
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://[::1]:1/v1/metrics",
            "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": f"{otlp.url.replace('http', 'https')}/v1/logs",
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": grpc.url,
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": GRPC,
        }
        with telling(Proxy(tmp_path, upstream.url, env={**to(otlp), **targets}), otlp) as proxy:
            with Load(proxy.base_url) as load:
                wait(lambda: min(health(proxy, "proxy_export_failures_total").values()) > 1, "tries of all", 40)
                load.stop()
            assert (load.wrong, load.broken) == ([], 0)
            said = [line for line in proxy.said().splitlines() if "completed" not in line]
            assert sorted(line.split(" are not delivered")[0].split()[-1] for line in said if "not delivered" in line)
            assert [sum(f"{name} are not delivered" in line for line in said) for name in SHOWN] == [1, 1, 1]
            assert not any("ssl_transport" in line or line.startswith("E1") for line in said)
        assert (otlp.received, grpc.received) == ([], [])
    grpc.stop()


@pytest.mark.parametrize("kind", [Receiver, GrpcReceiver], ids=["http", "grpc"])
def test_g12_a_collector_may_have_an_address_of_version_six(
    tmp_path: Path, kind: type[Receiver] | type[GrpcReceiver]
) -> None:
    one = kind(host="::1")
    one.start()
    assert "[::1]" in one.url
    with exporting(tmp_path, one) as proxy:
        ask(proxy.base_url, MESSAGES)
        assert_all_told(proxy, one, 1)
    one.stop()
