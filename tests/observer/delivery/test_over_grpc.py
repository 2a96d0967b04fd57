"""What counts as delivered over gRPC, judged over real connections."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from grpc import StatusCode
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse

from proxy.observer import wire
from proxy.observer.delivery.replies import Reply as Judged
from proxy.observer.delivery.replies import Signal, Verdict
from proxy.observer.delivery.sending import MOST_BYTES, sender_of
from proxy.settings.otlp import GRPC, Exporter
from tests.kit import certificates
from tests.kit.process import wait
from tests.receiver import receiver
from tests.receiver_grpc import Answer, GrpcReceiver, grpc_receiver

MISCONFIGURED = ("UNAUTHENTICATED", "PERMISSION_DENIED", "NOT_FOUND", "UNIMPLEMENTED", "FAILED_PRECONDITION")
AGAIN = ("CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS", "UNKNOWN", "INTERNAL")


def payload(text: str = "hello") -> bytes:
    record = wire.log_record(
        time_ns=1, severity=wire.Severity.INFO, body=text.encode(), attributes=b"", trace_id=1, span_id=1
    )
    return wire.request(wire.resource({}), wire.scope("x"), [record])


def target(url: str, timeout: float = 5.0, compression: str = "none", certificate: str | None = None) -> Exporter:
    headers = {"Authorization": "Bearer x"}
    return Exporter(url, headers, timeout, compression, certificate=certificate, protocol=GRPC)


def send(url: str, timeout: float = 5.0, text: str = "hello", certificate: str | None = None) -> Judged:
    return sender_of(Signal.LOGS, target(url, timeout, certificate=certificate)).send(payload(text))


def answered(answer: Answer, timeout: float = 5.0) -> Judged:
    with grpc_receiver() as one:
        one.always("logs", answer)
        return send(one.url, timeout)


@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_all_signals_reach_their_services_with_headers_and_compression(compression: str) -> None:
    with grpc_receiver() as one:
        for signal in Signal:
            sender = sender_of(signal, target(one.url, compression=compression))
            found = sender.send(payload() if signal is Signal.LOGS else b"")
            assert (found.verdict, found.rejected, found.said) == (Verdict.DELIVERED, 0, "")
        assert [each.signal for each in one.received] == ["metrics", "logs", "traces"]
        for each in one.received:
            assert each.headers["authorization"] == "Bearer x"
            assert each.headers["user-agent"].startswith("anthropic-proxy/")
        assert one.logs()[0].body.string_value == "hello"


@pytest.mark.parametrize("name", AGAIN)
def test_busy_and_broken_receivers_are_tried_again(name: str) -> None:
    """G3: for hours, whatever happened to the batch"""
    found = answered(Answer(StatusCode[name], "later"))
    assert (found.verdict, found.said, found.retry_after, found.untaken) == (
        Verdict.AGAIN,
        f"{name} later",
        None,
        False,
    )


@pytest.mark.parametrize("name", ["UNAVAILABLE", "RESOURCE_EXHAUSTED"])
def test_a_receiver_that_names_a_time_is_heeded(name: str) -> None:
    """G3"""
    found = answered(Answer(StatusCode[name], "busy", retry_s=7.25))
    assert (found.verdict, found.retry_after) == (Verdict.AGAIN, 7.25)


def test_exhausted_without_a_time_is_waited_out_as_429_is() -> None:
    """Nothing is thrown away for a quota that is full tonight."""
    found = answered(Answer(StatusCode.RESOURCE_EXHAUSTED, "quota"))
    assert (found.verdict, found.retry_after, found.untaken) == (Verdict.AGAIN, None, True)


@pytest.mark.parametrize("name", MISCONFIGURED)
def test_what_somebody_has_to_mend_is_said_and_kept(name: str) -> None:
    """G3, G4"""
    found = answered(Answer(StatusCode[name], "no"))
    assert (found.verdict, found.said, found.untaken) == (Verdict.MISCONFIGURED, f"{name} no", True)


def test_refused_contents_are_told_apart() -> None:
    """G3"""
    found = answered(Answer(StatusCode.INVALID_ARGUMENT, "line\x1b[31m too long"))
    assert (found.verdict, found.said) == (Verdict.REFUSED, r"INVALID_ARGUMENT line\x1b[31m too long")


def test_a_batch_beyond_the_receivers_limit_is_refused_so_that_it_can_be_cut() -> None:
    """G6"""
    with grpc_receiver() as one:
        assert send(one.url, text="x" * (MOST_BYTES - 1_000)).verdict is Verdict.DELIVERED
        found = send(one.url, text="x" * (MOST_BYTES + 1_000))
        assert (found.verdict, found.said[:18]) == (Verdict.REFUSED, "RESOURCE_EXHAUSTED")
        assert len(one.logs()) == 1


def test_records_that_were_not_taken_are_told() -> None:
    """G5"""
    response = ExportLogsServiceResponse()
    response.partial_success.rejected_log_records = 3
    response.partial_success.error_message = "too old"
    found = answered(Answer(response=response))
    assert (found.verdict, found.rejected, found.said) == (Verdict.DELIVERED, 3, "too old")


def test_only_an_otlp_reply_is_success() -> None:
    """G4"""
    assert answered(Answer(raw=b"<html>")).verdict is Verdict.AGAIN
    with receiver() as web:
        assert send(web.url).verdict is Verdict.AGAIN
        assert web.received == []


def test_a_refused_connection_has_taken_nothing() -> None:
    one = GrpcReceiver()
    one.start()
    one.stop()
    found = send(one.url)
    assert (found.verdict, found.untaken) == (Verdict.AGAIN, True)
    assert "Connection refused" in found.said


def test_a_receiver_that_comes_back_is_found_at_once() -> None:
    """G1: gRPC itself would wait longer and longer, for two minutes in the end"""
    with grpc_receiver() as one:
        sender = sender_of(Signal.LOGS, target(one.url))
        for _ in range(3):
            assert sender.send(payload()).verdict is Verdict.DELIVERED
            one.stop()
            for _ in range(5):
                assert sender.send(payload()).verdict is Verdict.AGAIN
            one.start()
        assert sender.send(payload()).verdict is Verdict.DELIVERED


def test_the_time_limit_ends_a_call_that_hangs() -> None:
    """G2"""
    begun = time.monotonic()
    found = answered(Answer(hang=True), timeout=0.3)
    assert (found.verdict, found.said[:17], found.untaken) == (Verdict.AGAIN, "DEADLINE_EXCEEDED", False)
    assert time.monotonic() - begun < 5


def test_a_call_under_way_can_be_broken_off() -> None:
    """G2"""
    with grpc_receiver() as one:
        one.always("logs", Answer(hang=True))
        sender = sender_of(Signal.LOGS, target(one.url, timeout=60))
        sender.abort()
        found: list[Judged] = []
        thread = threading.Thread(target=lambda: found.append(sender.send(payload())))
        thread.start()
        wait(lambda: one.received, "the call")
        sender.abort()
        thread.join(10)
        assert [each.verdict for each in found] == [Verdict.AGAIN]


def test_tls_is_by_the_authorities_that_were_set(tmp_path: Path) -> None:
    """G12"""
    authority = certificates.authority(tmp_path)
    certificates.server(tmp_path)
    [chain] = tmp_path.glob("server*.pem")
    pair = (chain.with_suffix(".key").read_bytes(), chain.read_bytes())
    with grpc_receiver(pair) as one:
        assert send(one.url, certificate=str(authority)).verdict is Verdict.DELIVERED
        assert send(one.url).verdict is Verdict.AGAIN
        assert send(one.url.replace("https", "http")).verdict is Verdict.AGAIN
        gone = send(one.url, certificate=str(tmp_path / "gone.pem"))
        assert (gone.verdict, "gone.pem" in gone.said) == (Verdict.MISCONFIGURED, True)
    with grpc_receiver(pair, authority.read_bytes()) as one:
        own = Exporter(
            one.url,
            certificate=str(authority),
            client_certificate=str(chain),
            client_key=str(chain.with_suffix(".key")),
            protocol=GRPC,
        )
        assert sender_of(Signal.LOGS, own).send(payload()).verdict is Verdict.DELIVERED
        assert send(one.url, certificate=str(authority)).verdict is Verdict.AGAIN
        assert len(one.logs()) == 1


def test_grpc_is_loaded_only_where_it_is_used_and_the_sdk_never() -> None:
    code = (
        "import sys, proxy.processes.observer; from proxy.observer.delivery.sending import sender_of;"
        "from proxy.observer.delivery.replies import Signal; from proxy.settings.otlp import Exporter;"
        "sender_of(Signal.LOGS, Exporter('http://127.0.0.1:1/v1/logs'));"
        "print([name for name in ('grpc', 'opentelemetry.sdk') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
