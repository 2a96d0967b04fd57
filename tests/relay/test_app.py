"""The relay as a client sees it: bytes, framing and headers pass unchanged and at once, in both directions."""

from __future__ import annotations

import gzip
import hashlib
import os

import pytest

from tests.kit.laws import API_KEY
from tests.kit.process import wait
from tests.kit.raw import get, post
from tests.relay.conftest import Relayed


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("size", [0, 1, 1_000, 200_000, 32 << 20], ids=str)
def test_bodies_of_any_size_pass_unchanged_both_ways(relayed: Relayed, size: int) -> None:
    """L4, A21"""
    body, answer = os.urandom(size), os.urandom(size)
    relayed.upstream.script = lambda talk: talk.answer(answer, content_type="application/octet-stream")
    reply = relayed.ask(post("/v1/messages", body))
    assert sha(reply.body) == sha(answer)
    assert relayed.last.sha256 == sha(body)
    row = relayed.proxy.exchange(reply.request_id)
    assert (row["request_sha256"], row["response_sha256"]) == (sha(body), sha(answer))
    assert (row["request_bytes"], row["response_bytes"], row["delivered_bytes"]) == (size, size, size)


def test_a_slow_upload_streams_through_while_it_arrives(relayed: Relayed) -> None:
    with relayed.connect() as connection:
        connection.send(b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 6\r\n\r\nabc")
        wait(lambda: relayed.upstream.seen and relayed.last.body == b"abc", "the first half of the body")
        connection.send(b"def")
        assert connection.reply().status == 200
    assert relayed.last.body == b"abcdef"


def test_compressed_bodies_pass_as_they_are(relayed: Relayed) -> None:
    """C18, A22"""
    body = gzip.compress(b'{"model": "claude-sonnet-4-6", "stream": false}')
    answer = gzip.compress(b'{"type": "message"}')
    relayed.upstream.script = lambda talk: talk.answer(answer, headers="content-encoding: gzip\r\n")
    reply = relayed.ask(post("/v1/messages", body, "Content-Encoding: gzip\r\nAccept-Encoding: gzip, br, zstd\r\n"))
    assert reply.body == answer
    assert relayed.last.body == body
    assert relayed.last.values(b"accept-encoding") == [b"gzip, br, zstd"]
    assert relayed.proxy.exchange(reply.request_id)["model"] == "claude-sonnet-4-6"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE"])
def test_every_ordinary_method_is_relayed_and_recorded(relayed: Relayed, method: str) -> None:
    reply = relayed.ask(get("/v1/anything/at/all", method=method))
    assert relayed.last.line == f"{method} /v1/anything/at/all HTTP/1.1".encode()
    row = relayed.proxy.exchange(reply.request_id)
    assert (row["method"], row["operation"], row["outcome"]) == (method, "other", "ok")


def test_an_endpoint_is_named_by_the_first_segment_of_the_path(relayed: Relayed) -> None:
    """S0-32"""
    staging = relayed.ask(post("/staging/v1/messages", b"{}"))
    assert relayed.last.line == b"POST /v1/messages HTTP/1.1"
    default = relayed.ask(post("/stagingish/v1/messages", b"{}"))
    assert relayed.last.line == b"POST /stagingish/v1/messages HTTP/1.1"
    names = [relayed.proxy.exchange(reply.request_id)["endpoint"] for reply in (staging, default)]
    assert names == ["staging", "default"]


def test_request_headers_keep_order_duplicates_and_values(relayed: Relayed) -> None:
    """A11, A12, A24: nothing is invented, hop-by-hop and control fields stay here"""
    fields = (
        "User-Agent: claude-cli/2.1.329 (external, cli)\r\nanthropic-beta: a\r\nX-Empty:\r\nanthropic-beta: b,c\r\n"
        f"x-api-key: {API_KEY}\r\nAuthorization: Bearer {API_KEY}\r\nX_Api_Key: {API_KEY}\r\nAnthropic-Beta: d\r\n"
        "anthropic-version: 2026-10-21\r\nCookie: a=b\r\nX-Utf: é\r\nX-Hop: 1\r\nConnection: x-hop\r\n"
        "Keep-Alive: 5\r\nTE: trailers\r\nProxy-Authorization: x\r\nX-Proxy-Workflow: nightly\r\n"
    )
    reply = relayed.ask(post("/v1/messages", b"{}", fields))
    assert reply.status == 200
    assert relayed.last.headers[0] == (b"host", f"127.0.0.1:{relayed.upstream.port}".encode())
    assert sorted(relayed.last.headers[1:]) == sorted(
        [
            (b"content-length", b"2"),
            (b"user-agent", b"claude-cli/2.1.329 (external, cli)"),
            (b"anthropic-beta", b"a"),
            (b"x-empty", b""),
            (b"anthropic-beta", b"b,c"),
            (b"x-api-key", API_KEY.encode()),
            (b"authorization", b"Bearer " + API_KEY.encode()),
            (b"x_api_key", API_KEY.encode()),
            (b"anthropic-beta", b"d"),
            (b"anthropic-version", b"2026-10-21"),
            (b"cookie", b"a=b"),
            (b"x-utf", "é".encode()),
        ]
    )
    assert relayed.last.values(b"anthropic-beta") == [b"a", b"b,c", b"d"]
    assert relayed.proxy.exchange(reply.request_id)["workflow"] == "nightly"


def test_response_headers_keep_order_case_and_duplicates(relayed: Relayed) -> None:
    """C4, C17: cookies are not folded"""
    relayed.upstream.script = lambda talk: talk.answer(
        b"{}",
        headers="Set-Cookie: a=1\r\nset-cookie: b=2\r\nRequest-Id: req_1\r\nX-Hop: 1\r\n"
        "Connection: X-Hop\r\nKeep-Alive: 5\r\n",
    )
    reply = relayed.ask(get("/"))
    assert reply.headers == [
        (b"content-type", b"application/json"),
        (b"content-length", b"2"),
        (b"Set-Cookie", b"a=1"),
        (b"set-cookie", b"b=2"),
        (b"Request-Id", b"req_1"),
        (b"x-proxy-request-id", reply.request_id.encode() if reply.request_id else b""),
    ]
    assert relayed.proxy.exchange(reply.request_id)["upstream_request_id"] == "req_1"


def test_no_cookie_of_one_client_reaches_another_request(relayed: Relayed) -> None:
    """C17"""
    relayed.upstream.script = lambda talk: talk.answer(b"{}", headers="Set-Cookie: session=1; Path=/\r\n")
    for _ in range(2):
        relayed.ask(get("/"))
    assert relayed.last.values(b"cookie") == []


def test_request_ids_sort_by_time_of_acceptance(relayed: Relayed) -> None:
    ids = [relayed.ask(get("/")).request_id or "" for _ in range(5)]
    assert ids == sorted(ids)
    assert all(len(request_id) == 29 and request_id.startswith("px_") for request_id in ids)


def test_a_refused_request_is_answered_in_the_callers_dialect_and_recorded(relayed: Relayed) -> None:
    """A10, A15"""
    reply = relayed.ask(post("/v1/messages", b"{}", "Expect: 200-maybe\r\n"))
    assert reply.status == 417
    assert reply.json()["error"] == {
        "type": "invalid_request_error",
        "message": "anthropic-proxy: the only expectation understood is '100-continue'.",
    }
    openai = relayed.ask(post("/v1/chat/completions", b"{}", "Upgrade: h2c\r\n"))
    assert set(openai.json()["error"]) == {"message", "type", "param", "code"}  # type: ignore[call-overload]
    for answer in (reply, openai):
        row = relayed.proxy.exchange(answer.request_id)
        assert (row["outcome"], row["status"]) == ("rejected", answer.status)
    assert relayed.upstream.seen == []
