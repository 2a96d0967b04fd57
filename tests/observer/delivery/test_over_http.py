"""What counts as delivered, judged over real connections."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from proxy.observer.delivery.over_http import HttpSender
from proxy.observer.delivery.replies import Reply as Judged
from proxy.observer.delivery.replies import Signal, Verdict
from proxy.settings.otlp import Exporter
from tests.receiver import Receiver, Reply, partial, receiver

BODY = ExportLogsServiceRequest().SerializeToString()


def post(to: Receiver, timeout: float = 5.0) -> Judged:
    return HttpSender(Signal.LOGS, Exporter(f"{to.url}/v1/logs", timeout=timeout)).send(BODY)


def answered(reply: Reply, timeout: float = 5.0) -> Judged:
    with receiver() as one:
        one.always("logs", reply)
        return post(one, timeout)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(),
        Reply(202),
        Reply(204),
        Reply(content_type=""),
        Reply(body=b"{}", content_type="application/json; charset=utf-8"),
        Reply(body=b'{"partialSuccess":{},"new":1}', content_type="application/json"),
    ],
    ids=repr,
)
def test_only_a_2xx_with_an_otlp_body_is_delivered(reply: Reply) -> None:
    """G4."""
    judged = answered(reply)
    assert (judged.verdict, judged.rejected) == (Verdict.DELIVERED, 0)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(body=b"<html>Welcome</html>", content_type="text/html"),
        Reply(body=b"<html>Welcome</html>"),
        Reply(body=b"<html>", content_type="application/json"),
        Reply(302, headers={"location": "/login"}),
        Reply(304),
        Reply(401),
        Reply(403),
        Reply(404, body=b"no such path", content_type="text/plain"),
        Reply(405),
        Reply(415),
    ],
    ids=repr,
)
def test_what_somebody_has_to_mend_is_said_and_kept(reply: Reply) -> None:
    """G4: the SDK takes 302 and HTML for success."""
    judged = answered(reply)
    assert judged.verdict is Verdict.MISCONFIGURED
    assert str(reply.status) in judged.said


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 529])
def test_busy_and_broken_receivers_are_tried_again(status: int) -> None:
    """G3."""
    judged = answered(Reply(status, headers={"retry-after": "7"}))
    assert (judged.verdict, judged.status, judged.retry_after) == (Verdict.AGAIN, status, 7.0)
    assert judged.untaken is (status in (408, 429, 503))


@pytest.mark.parametrize(
    "raw",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-le",
        b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\ncontent-ty",
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nmany\r\n{}",
        b"",
    ],
    ids=repr,
)
def test_what_is_no_whole_answer_leaves_open_what_was_taken(raw: bytes) -> None:
    """G4."""
    judged = answered(Reply(raw=raw))
    assert (judged.verdict, judged.status, judged.untaken) == (Verdict.AGAIN, None, False)


@pytest.mark.parametrize("raw", [b"HTTP/1.0 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"], ids=repr)
def test_an_empty_answer_may_end_with_its_connection_where_that_is_announced(raw: bytes) -> None:
    """Else such a receiver would be sent the same batch for ever."""
    assert answered(Reply(raw=raw)).verdict is Verdict.DELIVERED


@pytest.mark.parametrize("status", [400, 413])
def test_refused_contents_are_told_apart(status: int) -> None:
    """G3."""
    judged = answered(Reply(status, body=b"line too long", content_type="text/plain"))
    assert (judged.verdict, judged.said, judged.untaken) == (Verdict.REFUSED, f"status {status} line too long", True)


def test_records_that_were_not_taken_are_told() -> None:
    """G5."""
    judged = answered(partial("logs", 3, "too old"))
    assert (judged.verdict, judged.rejected, judged.said) == (Verdict.DELIVERED, 3, "too old")


def test_a_receiver_can_neither_take_counts_back_nor_steer_a_terminal() -> None:
    """G5, H15."""
    judged = answered(partial("logs", -3, "\x1b[31mred\r\nfake line"))
    assert (judged.verdict, judged.rejected, judged.said) == (Verdict.DELIVERED, 0, r"\x1b[31mred\r\nfake line")


def test_a_refused_connection_has_taken_nothing() -> None:
    judged = post(Receiver())
    assert (judged.verdict, judged.status, judged.untaken) == (Verdict.AGAIN, None, True)
    assert judged.said == "Failed to establish a new connection: [Errno 111] Connection refused"


def test_a_lost_answer_leaves_open_what_was_taken() -> None:
    """G10."""
    judged = answered(Reply(drop=True))
    assert (judged.verdict, judged.status, judged.untaken) == (Verdict.AGAIN, None, False)


@pytest.mark.parametrize("reply", [Reply(hang=True), Reply(drip=True)], ids=["hangs", "drips"])
def test_the_time_limit_is_for_the_whole_reply(reply: Reply) -> None:
    """G2: a byte per second would satisfy a limit on silence for ever."""
    begun = time.monotonic()
    judged = answered(reply, timeout=0.4)
    assert judged.verdict is Verdict.AGAIN
    assert time.monotonic() - begun < 5


def test_endless_replies_are_not_read_to_the_end() -> None:
    judged = answered(Reply(500, body=b"x" * 3_000_000))
    assert judged.verdict is Verdict.AGAIN
    assert len(judged.said) <= 300


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("0", 0.0), ("1.5", 1.5), ("-3", 0.0), ("soon", None), ("", None), ("inf", None), ("nan", None)],
)
def test_retry_after_is_seconds(value: str, seconds: float | None) -> None:
    assert answered(Reply(503, headers={"retry-after": value})).retry_after == seconds


def test_a_netrc_does_not_replace_the_credential(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with receiver() as one:
        HttpSender(Signal.LOGS, Exporter(f"{one.url}/v1/logs", headers={"authorization": "Bearer x"})).send(BODY)
        assert {name.lower(): value for name, value in one.received[0].headers.items()}["authorization"] == "Bearer x"


def test_retry_after_may_be_a_date() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(minutes=2), usegmt=True)
    found = answered(Reply(503, headers={"retry-after": later})).retry_after
    assert found is not None
    assert 110 < found <= 120
