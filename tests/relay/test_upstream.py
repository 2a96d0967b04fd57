"""Upstream faults, rows C1–C10 and C17–C20: what the client sees, what is recorded, what is never done."""

from __future__ import annotations

import gzip
import socket
import ssl
import subprocess
import time
import zlib
from pathlib import Path

import brotli
import psutil
import pytest
import zstandard

from tests.kit import laws
from tests.kit.process import Proxy
from tests.kit.raw import MESSAGES, ask, get, post
from tests.kit.upstream import DELTA, END, START, Talk, Upstream
from tests.relay.conftest import FAST, Relayed


def unreachable(tmp_path: Path, url: str) -> tuple[int, str, dict[str, object]]:
    """(status, error type, row) of one request through a proxy whose upstream cannot be had."""
    proxy = Proxy(tmp_path, url, relay=FAST)
    with proxy.running():
        reply = ask(proxy.base_url, MESSAGES)
        row = proxy.exchange(reply.request_id)
        assert reply.json()["type"] == "error"
        assert row["outcome"] == "upstream_unreachable"
        laws.check(proxy)
    return reply.status, str(row["error_type"]), row


def test_a_refused_connection_is_a_502_in_the_callers_dialect(tmp_path: Path) -> None:
    """C1"""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    status, error_type, row = unreachable(tmp_path, f"http://127.0.0.1:{port}")
    assert (status, error_type) == (502, "connect")
    assert row["model"] == "claude-sonnet-4-6"


def test_a_host_that_does_not_resolve_is_a_502(tmp_path: Path) -> None:
    """C1"""
    assert unreachable(tmp_path, "http://no-such-host.invalid")[:2] == (502, "dns")


def test_a_self_signed_certificate_is_a_502_and_sends_nothing(tmp_path: Path) -> None:
    """C2"""
    certificate = tmp_path / "cert.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost"
    subprocess.run([*command.split(), "-keyout", certificate, "-out", tmp_path / "c"], check=True, capture_output=True)
    certificate.write_bytes(certificate.read_bytes() + (tmp_path / "c").read_bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with Upstream(context=context).running() as upstream:
        assert unreachable(tmp_path, upstream.url)[:2] == (502, "tls")
        assert upstream.seen == []


def test_plain_http_on_a_tls_port_is_a_502_and_never_downgraded(tmp_path: Path) -> None:
    """C2"""
    with Upstream().running() as upstream:
        assert unreachable(tmp_path, f"https://127.0.0.1:{upstream.port}")[:2] == (502, "tls")
        assert upstream.seen == []


def test_silence_before_the_headers_is_a_504(relayed: Relayed) -> None:
    """C3"""
    relayed.upstream.script = lambda talk: talk.wait_closed()
    reply = relayed.ask(MESSAGES)
    assert reply.status == 504
    row = relayed.proxy.exchange(reply.request_id)
    assert (row["outcome"], row["error_type"], row["status"]) == ("upstream_timeout", "header_timeout", 504)


@pytest.mark.parametrize("status", ["429 Too Many Requests", "500 Internal Server Error", "529 Overloaded", "502 Bad"])
def test_an_upstreams_error_answer_passes_verbatim(relayed: Relayed, status: str) -> None:
    """C4, F-22"""
    body = b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_9"}'
    headers = "retry-after: 7\r\nrequest-id: req_9\r\nanthropic-ratelimit-requests-remaining: 0\r\n"
    relayed.upstream.script = lambda talk: talk.answer(body, status=status, headers=headers)
    reply = relayed.ask(MESSAGES)
    assert (reply.status, reply.body) == (int(status[:3]), body)
    assert reply.value(b"retry-after") == b"7"
    assert reply.value(b"anthropic-ratelimit-requests-remaining") == b"0"
    row = relayed.proxy.exchange(reply.request_id)
    assert (row["outcome"], row["error_type"], row["error_message"]) == (
        "upstream_error",
        "overloaded_error",
        "Overloaded",
    )
    assert len(relayed.upstream.seen) == 1


def test_an_html_error_page_is_recorded_as_other(relayed: Relayed) -> None:
    relayed.upstream.script = lambda talk: talk.answer(b"<html>bad</html>", status="502 Bad", content_type="text/html")
    reply = relayed.ask(MESSAGES)
    assert (reply.status, reply.body) == (502, b"<html>bad</html>")
    assert relayed.proxy.exchange(reply.request_id)["error_type"] == "other"


def reset(talk: Talk) -> None:
    talk.stream([START, DELTA], end=False)
    time.sleep(0.1)
    talk.reset()


def cut(talk: Talk) -> None:
    talk.stream([START, DELTA], end=False)
    talk.close()


def short(talk: Talk) -> None:
    talk.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 10000\r\n\r\n" + START + DELTA)
    talk.close()


def stall(talk: Talk) -> None:
    talk.stream([START, DELTA], end=False)
    talk.wait_closed()


@pytest.mark.parametrize(
    ("script", "outcome", "error_types"),
    [
        (reset, "truncated", {"reset"}),
        (cut, "truncated", {"truncated"}),
        (short, "truncated", {"truncated"}),
        (stall, "upstream_timeout", {"idle_timeout"}),
    ],
    ids=["reset", "cut", "short", "stall"],
)
def test_a_broken_stream_breaks_the_clients_connection_too(
    relayed: Relayed, script: object, outcome: str, error_types: set[str]
) -> None:
    """C5, C6, C7: no ending is invented, usage so far is kept"""
    relayed.upstream.script = script  # type: ignore[assignment]
    reply = relayed.ask(MESSAGES)
    assert (reply.status, reply.ended, reply.body) == (200, False, START + DELTA)
    row = relayed.proxy.exchange(reply.request_id)
    assert row["outcome"] == outcome
    assert row["error_type"] in error_types
    assert (row["usage_source"], row["input_tokens"]) == ("partial", 25)


def test_a_stream_that_ends_without_message_stop_is_truncated_for_us_and_clean_for_the_client(relayed: Relayed) -> None:
    """D5"""
    relayed.upstream.script = lambda talk: talk.stream([START, DELTA])
    reply = relayed.ask(MESSAGES)
    assert reply.ended
    row = relayed.proxy.exchange(reply.request_id)
    assert (row["outcome"], row["usage_source"]) == ("truncated", "partial")


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_an_answer_that_has_no_body_is_whole_without_one(relayed: Relayed, status: str) -> None:
    relayed.upstream.script = lambda talk: talk.send(f"HTTP/1.1 {status}\r\nx-a: b\r\n\r\n".encode())
    reply = relayed.ask(MESSAGES)
    assert reply.status == int(status[:3])
    assert relayed.proxy.exchange(reply.request_id)["outcome"] == "ok"


def test_an_error_inside_a_200_is_its_own_outcome(relayed: Relayed) -> None:
    """N-8, F-29"""
    event = b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n'
    relayed.upstream.script = lambda talk: talk.stream([START, event])
    reply = relayed.ask(MESSAGES)
    assert reply.body == START + event
    row = relayed.proxy.exchange(reply.request_id)
    assert (row["outcome"], row["error_type"], row["status"]) == ("error_in_stream", "overloaded_error", 200)


def test_a_connection_that_died_in_the_pool_is_replaced_unnoticed(relayed: Relayed) -> None:
    """C8"""

    def close_after_answer(talk: Talk) -> None:
        talk.answer(b"{}")
        talk.close()

    relayed.upstream.script = close_after_answer
    for number in range(300):
        reply = relayed.ask(post("/v1/messages", b'{"n": %d}' % number))
        assert reply.status == 200, reply
    assert [seen.body for seen in relayed.upstream.seen] == [b'{"n": %d}' % number for number in range(300)]


def test_a_request_that_was_answered_with_a_byte_is_never_sent_again(relayed: Relayed) -> None:
    """C9"""
    relayed.ask(get("/"))

    def half(talk: Talk) -> None:
        talk.send(b"HTTP/1.1 200 OK\r\ncontent-")
        talk.reset()

    relayed.upstream.script = half
    reply = relayed.ask(MESSAGES)
    assert reply.status == 502
    assert [seen.line for seen in relayed.upstream.seen].count(b"POST /v1/messages HTTP/1.1") == 1
    relayed.proxy.exchange(reply.request_id)
    attempts = relayed.proxy.rows("SELECT * FROM attempts WHERE request_id = ?", reply.request_id)
    assert [attempt["error_type"] for attempt in attempts] == ["reset"]


def test_a_request_whose_fresh_connection_breaks_is_never_sent_again(tmp_path: Path) -> None:
    """C9: what happened upstream is not known"""
    with Upstream(script=lambda talk: talk.reset()).running() as upstream:
        proxy = Proxy(tmp_path, upstream.url, relay=FAST)
        with proxy.running():
            assert ask(proxy.base_url, MESSAGES).status == 502
            assert len(upstream.seen) == 1
            laws.check(proxy)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_returned_and_never_followed(relayed: Relayed, status: int) -> None:
    """C10"""
    with Upstream().running() as evil:
        location = f"location: {evil.url}/v1/messages\r\n"
        relayed.upstream.script = lambda talk: talk.answer(b"", status=f"{status} Moved", headers=location)
        reply = relayed.ask(MESSAGES)
        assert (reply.status, reply.value(b"location")) == (status, f"{evil.url}/v1/messages".encode())
        assert evil.connections == 0


def _zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(data)


@pytest.mark.parametrize(
    ("coding", "encode"),
    [("gzip", gzip.compress), ("br", brotli.compress), ("zstd", _zstd), ("deflate", zlib.compress)],
    ids=["gzip", "br", "zstd", "deflate"],
)
def test_an_encoded_stream_passes_unchanged_and_is_read(relayed: Relayed, coding: str, encode: object) -> None:
    """C18, L4, N-6"""
    wire = encode(START + DELTA + END)  # type: ignore[operator]
    pieces = [wire[at : at + 5] for at in range(0, len(wire), 5)]
    relayed.upstream.script = lambda talk: talk.stream(pieces, headers=f"content-encoding: {coding}\r\n")
    reply = relayed.ask(MESSAGES)
    assert (reply.body, reply.value(b"content-encoding")) == (wire, coding.encode())
    row = relayed.proxy.exchange(reply.request_id)
    assert (row["outcome"], row["input_tokens"], row["output_tokens"]) == ("ok", 25, 9)
    assert (row["usage_source"], row["finish_reason"]) == ("final", "end_turn")


@pytest.mark.parametrize("coding", ["gzip", "compress", "gzip, br", "nonsense"])
def test_wrong_or_unknown_encodings_pass_unchanged(relayed: Relayed, coding: str) -> None:
    """C18"""
    relayed.upstream.script = lambda talk: talk.answer(b"not encoded", headers=f"content-encoding: {coding}\r\n")
    reply = relayed.ask(MESSAGES)
    assert reply.body == b"not encoded"
    row = relayed.proxy.exchange(reply.request_id)
    assert row["response_bytes"] == len(b"not encoded")
    assert row["parse_error"]


def test_a_decompression_bomb_is_relayed_and_costs_no_memory(relayed: Relayed) -> None:
    """C19"""
    bomb = gzip.compress(b"\x00" * (300 << 20), 9)
    relay = psutil.Process(relayed.proxy.pid("relay"))
    before = relay.memory_info().rss
    relayed.upstream.script = lambda talk: talk.answer(bomb, headers="content-encoding: gzip\r\n")
    reply = relayed.ask(MESSAGES)
    assert reply.body == bomb
    assert relayed.proxy.exchange(reply.request_id)["parse_error"]
    assert relay.memory_info().rss - before < 100 << 20


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 999 Odd\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx-a: b\x01c\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length : 2\r\n\r\n{}",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
    ],
    ids=["status 999", "control byte", "space in a name", "no HTTP", "101"],
)
def test_an_answer_that_is_no_clean_http_is_a_502(relayed: Relayed, head: bytes) -> None:
    """C11, C13, C14, C16"""

    def script(talk: Talk) -> None:
        talk.send(head)
        talk.close()

    relayed.upstream.script = script
    reply = relayed.ask(MESSAGES)
    assert reply.status == 502
    row = relayed.proxy.exchange(reply.request_id)
    assert (row["outcome"], row["status"]) == ("upstream_unreachable", 502)


@pytest.mark.parametrize(
    "unasked", [b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nfor-A!", b"HTTP/1.1 408 Idle\r\n\r\n"]
)
def test_bytes_that_nobody_asked_for_never_become_an_answer(relayed: Relayed, unasked: bytes) -> None:
    """C12: what arrives on an idle connection closes it"""

    def script(talk: Talk) -> None:
        talk.answer(b"own:" + talk.seen.body)
        time.sleep(0.1)
        talk.send(unasked)

    relayed.upstream.script = script
    for number in range(5):
        reply = relayed.ask(post("/v1/messages", b"%d" % number))
        assert (reply.status, reply.body) == (200, b"own:%d" % number)
        time.sleep(0.2)


def test_odd_but_harmless_headers_are_relayed(relayed: Relayed) -> None:
    """C15, C16"""
    relayed.upstream.script = lambda talk: talk.answer(b"{}", headers=f"x-latin: \xe9\r\nx-long: {'a' * 60_000}\r\n")
    reply = relayed.ask(MESSAGES)
    assert (reply.status, reply.value(b"x-latin"), len(reply.value(b"x-long") or b"")) == (200, b"\xe9", 60_000)


def test_an_answer_beyond_the_capture_limit_is_relayed_whole_and_kept_in_part(relayed: Relayed) -> None:
    """C20"""
    answer = bytes(range(256)) * (40 << 12)
    relayed.upstream.script = lambda talk: talk.answer(answer, content_type="application/octet-stream")
    reply = relayed.ask(get("/v1/files/f/content"))
    assert reply.body == answer
    row = relayed.proxy.exchange(reply.request_id)
    assert (row["response_bytes"], row["response_capture"]) == (len(answer), "too_large")
