"""Group A on both parsers: where a request begins and ends, what is sent in pieces, and what is no clean HTTP."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import zstandard
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.faults.parsers import (
    CHUNKED,
    HOST,
    MAX_BODY,
    PARSERS,
    POST,
    Fresh,
    chunks,
    client_headers,
    fresh,
    parser_of,
    refused,
    running,
    still_serves,
)
from tests.kit import laws
from tests.kit.process import wait
from tests.kit.raw import get, post
from tests.kit.upstream import DELTA, START, Talk
from tests.relay.conftest import Relayed

MANY = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
MIB = 1 << 20


@pytest.fixture(scope="module", params=PARSERS)
def installation(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relayed]:
    with running(tmp_path_factory.mktemp("proxy"), request.param) as relayed:
        yield relayed


@pytest.fixture
def relayed(installation: Relayed) -> Iterator[Fresh]:
    yield from fresh(installation)


def never_complete(relayed: Fresh) -> None:
    """Asserts that the upstream connection of the newest request was closed before its body was whole."""
    wait(lambda: relayed.last.closed_at is not None, "the upstream connection to be closed")
    assert not relayed.last.complete


@pytest.mark.parametrize("order", [0, 1])
def test_a1_content_length_beside_transfer_encoding_is_refused(relayed: Fresh, order: int) -> None:
    fields = [b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n"]
    refused(relayed, POST + b"".join(fields[:: -1 if order else 1]) + b"\r\n3\r\nabc\r\n0\r\n\r\n", 400)


@pytest.mark.parametrize(
    "value", [b"3, 3", b"+3", b"0x3", b"-1", b"0_3", b"18446744073709551619", b"3 3", b"\xb2", b"3;3", b"0b11"]
)
def test_a2_a_content_length_that_is_no_plain_number_is_refused_at_once(relayed: Fresh, value: bytes) -> None:
    refused(relayed, POST + b"Content-Length: " + value + b"\r\n\r\nabc", 400)


@pytest.mark.parametrize("other", [b"3", b"4"])
def test_a2_two_content_lengths_are_refused_even_if_they_agree(relayed: Fresh, other: bytes) -> None:
    refused(relayed, POST + b"Content-Length: 3\r\ncontent-length: " + other + b"\r\n\r\nabc", 400)


@MANY
@given(value=st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=20))
def test_a2_only_digits_are_a_content_length(relayed: Fresh, value: str) -> None:
    assume(not re.fullmatch(r"[ \t]*[0-9]+[ \t]*", value))
    refused(relayed, POST + b"Content-Length: " + value.encode("latin-1") + b"\r\n\r\n", 400)


@pytest.mark.parametrize("value", [b"xchunked", b"gzip, chunked", b"chunked, identity", b"chunked;q=1", b"identity"])
def test_a3_a_transfer_coding_other_than_chunked_is_refused(relayed: Fresh, value: bytes) -> None:
    refused(relayed, POST + b"Transfer-Encoding: " + value + b"\r\n\r\n0\r\n\r\n", 400, 501)


def test_a3_chunked_twice_or_on_http_1_0_is_refused(relayed: Fresh) -> None:
    refused(relayed, POST + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n0\r\n\r\n", 400, 501)
    refused(relayed, CHUNKED.replace(b"/1.1", b"/1.0") + b"0\r\n\r\n", 400)


BAD_CHUNKS = {
    "0x3": (b"0x3\r\nabc\r\n", 400),
    "plus": (b"+3\r\nabc\r\n", 400),
    "space": (b" 3\r\nabc\r\n", 400),
    "bare LF": (b"3\nabc\n0\n\n", 408),
    "LF in an extension": (b"3;a\nb\r\nabc\r\n", 400),
    "no CRLF": (b"3\r\nabcX0\r\n\r\n", 400),
    "overflow": (b"f" * 17 + b"\r\nabc", 408),
    "minus": (b"3\r\nabc\r\n-0\r\n\r\n", 400),
}
"""What is sent, and its status on h11, which waits for the rest of some that never comes; on zttp it is always 400."""


@pytest.mark.parametrize(("bad", "on_h11"), BAD_CHUNKS.values(), ids=BAD_CHUNKS)
def test_a4_a_bad_chunk_is_refused_and_the_upstream_request_aborted(relayed: Fresh, bad: bytes, on_h11: int) -> None:
    expected = on_h11 if parser_of(relayed) == "h11" else 400
    with relayed.connect() as connection:
        connection.send(CHUNKED + b"3\r\nabc\r\n")
        wait(lambda: relayed.upstream.seen, "the first chunk to be relayed")
        with contextlib.suppress(ConnectionError):
            connection.send(bad)
        assert connection.reply().status == expected
        assert connection.closed()
    never_complete(relayed)
    relayed.ended("client_disconnected" if expected == 400 else "rejected")


@pytest.mark.parametrize("size", [100_000, 300_000], ids=str)
def test_a4_a_long_chunk_extension_is_refused_or_dropped(relayed: Fresh, size: int) -> None:
    """h11 takes what fits into its buffer; of an extension nothing is ever forwarded."""
    dropped = parser_of(relayed) == "h11" and size == 100_000
    with relayed.connect() as connection:
        connection.send(CHUNKED + b"3\r\nabc\r\n")
        wait(lambda: relayed.upstream.seen, "the first chunk to be relayed")
        with contextlib.suppress(ConnectionError):
            connection.send(b"3;" + b"e" * size + b"\r\ndef\r\n0\r\n\r\n")
        assert connection.reply().status == (200 if dropped else 400)
        assert dropped or connection.closed()
    if dropped:
        assert (relayed.last.body, relayed.last.complete) == (b"abcdef", True)
    else:
        never_complete(relayed)
    relayed.ended("ok" if dropped else "client_disconnected")


@pytest.mark.parametrize("reset", [False, True], ids=["fin", "reset"])
@pytest.mark.parametrize(
    "framing", [b"Content-Length: 600000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n100000\r\n"]
)
def test_a5_an_upload_that_is_cut_short_never_completes(relayed: Fresh, framing: bytes, reset: bool) -> None:
    with relayed.connect() as connection:
        connection.send(POST + framing + b"a" * 300_000)
        wait(lambda: relayed.upstream.seen, "the upload to be relayed")
        if reset:
            connection.reset()
    never_complete(relayed)
    assert relayed.ended("client_disconnected")[0]["error_type"] == "upload_aborted"


@pytest.mark.parametrize("split", [0, 1, 9, 30])
def test_a6_trailers_go_nowhere(relayed: Fresh, split: int) -> None:
    trailers = b"0\r\nAuthorization: Bearer trailed\r\nX-Forwarded-User: trailed\r\n\r\n"
    with relayed.connect() as connection:
        if split:
            connection.send(CHUNKED, b"3\r\nabc\r\n", trailers[:split], trailers[split:])
        else:
            connection.send(CHUNKED + b"3\r\nabc\r\n" + trailers)
        reply = connection.reply()
        assert reply.status == 200
        still = relayed.last
        still_serves(relayed, connection)
    assert (still.body, still.complete) == (b"abc", True)
    assert b"trailed" not in still.head
    assert "trailed" not in str(client_headers(relayed.proxy, reply))


@pytest.mark.parametrize(
    "line",
    [b"X-A: a\rb", b"X-A: a\nb", b"X-A: a\x00b", b"X-A: a\x0bb", b"X\x00A: b", b"X\rA: b", b"X A: b", b": b", b"X-A"],
)
def test_a10_control_bytes_and_odd_names_in_headers_are_refused(relayed: Fresh, line: bytes) -> None:
    refused(relayed, b"GET / HTTP/1.1\r\n" + HOST + line + b"\r\n\r\n", 400)


@pytest.mark.parametrize("value", ["evil", "a b", "<script>", "px_" + "0" * 26])
def test_a10_a_request_id_of_the_clients_is_replaced_by_our_own(relayed: Fresh, value: str) -> None:
    reply = relayed.ask(get("/", f"X-Proxy-Request-Id: {value}\r\nX-Request-ID: {value}\r\n"))
    [given] = [found for name, found in reply.headers if name.lower() == b"x-proxy-request-id"]
    assert re.fullmatch(rb"px_[0-9A-Z]{26}", given)
    assert given.decode() != value
    assert relayed.last.values(b"x-request-id") == [value.encode()]


@MANY
@given(name=st.binary(max_size=8), value=st.binary(max_size=16))
def test_a10_no_bytes_in_a_header_split_a_request(relayed: Fresh, name: bytes, value: bytes) -> None:
    """Whatever stands between two line ends is one header upstream, or nothing goes upstream at all."""
    assume(b"\r\n" not in name + b": " + value and not value.endswith(b"\r") and name.lower() not in SPECIAL)
    relayed.upstream.seen.clear()
    with relayed.connect() as connection:
        connection.send(b"GET / HTTP/1.1\r\n" + HOST + name + b": " + value + b"\r\nX-End: 1\r\n\r\n")
        reply = connection.reply()
    assert reply.status in (200, 400)
    if reply.status == 200:
        assert relayed.last.values(b"x-end") == [b"1"]
        assert relayed.last.values(name.lower()) == [value.strip(b" \t")]


SPECIAL = {b"host", b"te", b"expect", b"upgrade", b"connection", b"trailer", b"via"}


def test_a14_headers_and_targets_that_are_too_long_are_refused_with_the_fitting_status(relayed: Fresh) -> None:
    start = b"GET /v1 HTTP/1.1\r\n" + HOST
    refused(relayed, start + b"X-A: " + b"a" * 1_000_000 + b"\r\n\r\n", 431)
    refused(relayed, start + b"".join(b"X-%d: a\r\n" % n for n in range(1000)) + b"\r\n", 431)
    refused(relayed, start + b"".join(b"X-%d: %s\r\n" % (n, b"a" * 8000) for n in range(9)) + b"\r\n", 431)
    refused(relayed, b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414)
    refused(relayed, b"GET /?" + b"a" * 9_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414)


@pytest.mark.parametrize("beyond", [0, 1], ids=["at the limit", "one more"])
def test_a14_the_limits_are_those_that_are_told(relayed: Fresh, beyond: int) -> None:
    """100 headers, 64 KiB of names and values, 8 KiB of target; HOST is one header of 13 bytes.

    zttp counts the ends of lines, too.
    """
    many = "".join(f"X-{number}: a\r\n" for number in range(99 + beyond))
    rest = 65_536 - 13 - 8 * (3 + 8_000) - 3 + (1 if beyond else -200)
    long = "".join(f"X-{number}: {'a' * size}\r\n" for number, size in enumerate([8_000] * 8 + [rest]))
    target = "/" + "a" * (8_191 + beyond)
    asked = [get("/", many, "localhost"), get("/", long, "localhost"), get(target, "", "localhost")]
    for request, status in zip(asked, (431, 431, 414), strict=True):
        if beyond:
            refused(relayed, request, status)
        else:
            assert relayed.ask(request).status == 200


def test_a15_an_expectation_is_met_here_and_not_forwarded(relayed: Fresh) -> None:
    with relayed.connect() as connection:
        connection.send(POST + b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        connection.until(b"100 Continue")
        connection.skip(b"\r\n\r\n")
        connection.send(b"{}")
        assert connection.reply().status == 200
    assert relayed.last.values(b"expect") == []


def test_a15_nobody_is_told_to_continue_with_what_is_refused(relayed: Fresh) -> None:
    expecting = b"Expect: 100-continue\r\n"
    refused(relayed, POST + b"Content-Length: 10000000000\r\n" + expecting + b"\r\n", 413)
    refused(relayed, POST.replace(b"localhost", b"evil.test") + b"Content-Length: 2\r\n" + expecting + b"\r\n", 403)
    refused(relayed, POST + b"Content-Length: 2\r\nExpect: 200-maybe\r\n\r\n", 417)


def test_a16_a_client_of_http_1_0_gets_a_stream_without_chunks(relayed: Fresh) -> None:
    relayed.upstream.script = lambda talk: talk.stream([START, DELTA])
    with relayed.connect() as connection:
        connection.send(b"POST /v1/messages HTTP/1.0\r\n" + HOST + b"Content-Length: 2\r\n\r\n{}")
        reply = connection.reply()
    assert (reply.status, reply.body) == (200, START + DELTA)
    assert reply.value(b"transfer-encoding") is None
    assert relayed.proxy.exchange(reply.request_id)["delivered_bytes"] == len(START + DELTA)


def test_a16_a_stream_to_http_1_0_that_is_cut_short_ends_with_a_reset(relayed: Fresh) -> None:
    def cut(talk: Talk) -> None:
        talk.stream([START], end=False)
        talk.close()

    relayed.upstream.script = cut
    with relayed.connect() as connection:
        connection.send(b"POST /v1/messages HTTP/1.0\r\n" + HOST + b"Content-Length: 2\r\n\r\n{}")
        connection.until(START)
        assert ended_by_reset(connection.sock)
    assert relayed.ended("truncated")[0]["status"] == 200


def ended_by_reset(sock: socket.socket) -> bool:
    """Reads to the end; whether that was a reset."""
    try:
        while sock.recv(65_536):
            pass
    except ConnectionResetError:
        return True
    return False


def test_a17_head_gets_the_headers_that_get_would_and_no_body(relayed: Fresh) -> None:
    relayed.upstream.script = lambda talk: talk.answer(b"12345", headers="x-a: b\r\n")
    with relayed.connect() as connection:
        connection.send(get("/", method="HEAD"))
        reply = connection.reply(head_only=True)
        assert (reply.status, reply.value(b"content-length"), reply.value(b"x-a")) == (200, b"5", b"b")
        still_serves(relayed, connection)


@pytest.mark.parametrize("method", ["TRACE", "get", "Get", "A" * 1000, "M-SEARCH"])
def test_a17_odd_methods_are_refused(relayed: Fresh, method: str) -> None:
    refused(relayed, get("/", method=method), 400, 405)


def test_a17_connect_is_refused(relayed: Fresh) -> None:
    refused(relayed, b"CONNECT evil.test:443 HTTP/1.1\r\n" + HOST + b"\r\n", 400, 405)


def test_a17_options_is_the_upstreams_and_no_origin_is_let_in(relayed: Fresh) -> None:
    reply = relayed.ask(get("/v1/messages", method="OPTIONS"))
    assert relayed.last.line.startswith(b"OPTIONS /v1/messages ")
    assert [name for name, _ in reply.headers if name.lower().startswith(b"access-control")] == []


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ("Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: a\r\nSec-WebSocket-Version: 13\r\n", 426),
        ("Connection: upgrade, http2-settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n", 426),
    ],
)
def test_a18_no_protocol_is_upgraded_to(relayed: Fresh, fields: str, status: int) -> None:
    assert refused(relayed, get("/", fields), status).json()["type"] == "error"


def test_a18_a_preface_of_http_2_is_refused(relayed: Fresh) -> None:
    refused(relayed, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00" * 9, 400)


def test_a19_requests_in_one_segment_are_answered_in_order(relayed: Fresh) -> None:
    relayed.upstream.script = lambda talk: talk.answer(b"own:" + talk.seen.body)
    with relayed.connect() as connection:
        connection.send(b"".join(post("/v1/messages", b"%d" % number) for number in range(20)))
        assert [connection.reply().body for _ in range(20)] == [b"own:%d" % number for number in range(20)]


def test_a19_a_request_behind_a_refused_one_is_not_served(relayed: Fresh) -> None:
    """What follows bad framing may be part of it."""
    for first in (POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", get("/", "Expect: 200-maybe\r\n")):
        refused(relayed, first + post("/v1/messages", b"smuggled"), 400, 417)


def test_a19_an_error_of_the_upstreams_leaves_the_connection_usable(relayed: Fresh) -> None:
    relayed.upstream.script = lambda talk: talk.answer(b'{"type":"error"}', status="400 Bad Request")
    with relayed.connect() as connection:
        connection.send(post("/v1/messages", b"{}"))
        assert connection.reply().status == 400
        relayed.upstream.script = lambda talk: talk.answer(b"{}")
        still_serves(relayed, connection)


@pytest.mark.parametrize("piece", [1, 7, 65_536], ids=str)
def test_a20_a_chunked_upload_arrives_whole(relayed: Fresh, piece: int) -> None:
    body = os.urandom(3_000 if piece < 100 else 1_000_000)
    reply = relayed.ask(CHUNKED + chunks([body[at : at + piece] for at in range(0, len(body), piece)]))
    assert relayed.last.sha256 == hashlib.sha256(body).hexdigest()
    assert relayed.proxy.exchange(reply.request_id)["request_sha256"] == relayed.last.sha256


@MANY
@given(parts=st.lists(st.binary(min_size=1, max_size=300), max_size=12), cuts=st.lists(st.integers(1, 200), max_size=8))
def test_a20_no_chunking_and_no_segments_change_a_body(relayed: Fresh, parts: list[bytes], cuts: list[int]) -> None:
    wire, pieces = CHUNKED + chunks(parts), []
    for cut in cuts:
        pieces.append(wire[:cut])
        wire = wire[cut:]
    with relayed.connect() as connection:
        connection.send(*[piece for piece in (*pieces, wire) if piece])
        assert connection.reply().status == 200
    assert relayed.last.body == b"".join(parts)


def test_a21_32_mb_pass_and_others_are_served_while_they_are_sent_and_read(relayed: Fresh) -> None:
    message = b'{"role":"user","content":"%s"},' % (b"word " * 4_000)
    body = (
        b'{"model":"claude-sonnet-4-6","messages":[' + message * (32 * MIB // len(message) - 1) + message[:-1] + b"]}"
    )
    begun: list[float] = []
    ended: list[float] = []
    done = threading.Event()

    def probe() -> None:
        while not done.wait(0.01):
            begun.append(time.monotonic())
            assert relayed.ask(get("/healthz")).status == 200
            ended.append(time.monotonic())

    with ThreadPoolExecutor(1) as pool:
        probing = pool.submit(probe)
        try:
            reply = relayed.ask(post("/v1/messages", body))
            answered = time.monotonic()
            row = relayed.proxy.exchange(reply.request_id)
            recorded = time.monotonic()
        finally:
            done.set()
        probing.result()
    assert relayed.last.sha256 == row["request_sha256"] == hashlib.sha256(body).hexdigest()
    assert (row["message_count"], row["parse_error"], row["request_capture"]) == (body.count(b"role"), None, None)
    between = [end for start, end in zip(begun, ended, strict=True) if answered < start and end < recorded]
    assert begun[0] < answered
    assert len(between) >= 3, "the event loop stood still while the body was read and stored"


def test_a21_a_declared_length_beyond_the_limit_is_refused_before_it_is_read(relayed: Fresh) -> None:
    for length in (MAX_BODY + 1, 10_000_000_000):
        reply = refused(relayed, POST + b"Content-Length: %d\r\n\r\n" % length, 413)
        assert reply.json()["error"]["type"] == "request_too_large"  # type: ignore[index]
        assert relayed.proxy.exchange(reply.request_id)["error_type"] == "body_too_large"


def test_a21_chunks_beyond_the_limit_end_the_upload(relayed: Fresh) -> None:
    chunk = b"%x\r\n%s\r\n" % (1 << 20, b"a" * (1 << 20))
    with relayed.connect() as connection:
        with contextlib.suppress(ConnectionError):
            connection.send(CHUNKED, *[chunk] * 40)
        assert connection.reply().status in (413, 0)
    never_complete(relayed)
    assert relayed.ended("rejected")[0]["error_type"] == "body_too_large"


@pytest.mark.parametrize("coding", ["gzip", "zstd", "br", "gzip, zstd", "none-such"])
def test_a22_compressed_bodies_pass_as_they_are(relayed: Fresh, coding: str) -> None:
    """With the wrong name on it, too; what is read of it is bounded."""
    bomb = b'{"model": "claude-sonnet-4-6", "x": "' + b"a" * 30_000_000 + b'"}'
    body = zstandard.compress(bomb) if coding == "zstd" else gzip.compress(bomb, 1)
    reply = relayed.ask(post("/v1/messages", body, f"Content-Encoding: {coding}\r\n"))
    assert reply.status == 200
    assert relayed.last.body == body
    assert relayed.last.values(b"content-encoding") == [coding.encode()]
    assert relayed.proxy.exchange(reply.request_id)["request_sha256"] == hashlib.sha256(body).hexdigest()


BAD_JSON: dict[str, tuple[bytes, str | None]] = {
    "cut": (b"{", "truncated"),
    "empty": (b"", "empty"),
    "bom": (b"\xef\xbb\xbf{}", None),
    "deep": (b"[" * 100_000, "not readable as JSON"),
    "deep objects": (b'{"a":' * 100_000, "nested too deeply"),
    "long number": (b'{"max_tokens": ' + b"9" * 1_000_000 + b"}", None),
    "surrogate": (b'{"model": "\\ud800", "messages": [{"role": "\\udfff"}]}', None),
    "binary": (b"\x00\xff" * 100, "malformed"),
    "nan": (b'{"model": NaN, "max_tokens": Infinity}', "malformed"),
    "twice": (b'{"model": "a", "model": "b", "stream": true, "stream": "false"}', None),
    "types": (
        b'{"model": [1], "stream": "yes", "messages": "none", "tools": 5, "metadata": [], "system": 1}',
        "model is not a name (and 2 more)",
    ),
    "utf-16": ('{"model": "a"}'.encode("utf-16"), "malformed"),
}
"""Bodies, and what of them is said in `parse_error`; None where they can be read after all."""


@pytest.mark.parametrize(("body", "problem"), BAD_JSON.values(), ids=BAD_JSON)
def test_a23_bodies_that_are_no_good_json_are_relayed_and_recorded(
    relayed: Fresh, body: bytes, problem: str | None
) -> None:
    reply = relayed.ask(post("/v1/messages", body, f"X-Api-Key: {laws.API_KEY}\r\n"))
    assert reply.status == 200
    assert relayed.last.body == body
    row = relayed.proxy.exchange(reply.request_id)
    assert (row["outcome"], row["request_sha256"]) == ("ok", hashlib.sha256(body).hexdigest())
    assert row["parse_error"] is None if problem is None else problem in row["parse_error"]


@MANY
@given(
    body=st.binary(max_size=400)
    | st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists).map(repr).map(str.encode)
)
def test_a23_no_body_is_answered_with_an_error_of_ours(relayed: Fresh, body: bytes) -> None:
    assert relayed.ask(post("/v1/messages", body)).status == 200
    assert relayed.last.body == body
