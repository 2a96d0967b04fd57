"""The gate: what it refuses, on the scope alone and on the wire with both server parsers."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.gate import Gate, Receive, Rejection, Rules, Scope, Send, allowed_hosts, check
from proxy.serving.server import server
from tests.kit.raw import Connection

RULES = Rules(allowed_hosts=allowed_hosts("127.0.0.1", ("proxy.test",)), max_body=1000)
HOST = (b"host", b"127.0.0.1:8080")


def scope(
    path: bytes = b"/v1/messages",
    *headers: tuple[bytes, bytes],
    method: str = "POST",
    query: bytes = b"",
    version: str = "1.1",
    host: tuple[tuple[bytes, bytes], ...] = (HOST,),
) -> Scope:
    return {
        "type": "http",
        "method": method,
        "raw_path": path,
        "query_string": query,
        "http_version": version,
        "headers": [*host, *headers],
    }


def status(request: Scope) -> int | None:
    rejection = check(request, RULES)
    return None if rejection is None else rejection.status


@pytest.mark.parametrize(
    "path", [b"/", b"/v1/messages", b"/a%2fb", b"/%zz", b"/a//b", b"/v1/files/%C3%A9", b"/..a/b..", b"/a:b@c;d"]
)
def test_ordinary_targets_pass(path: bytes) -> None:
    """A9"""
    assert status(scope(path)) is None


@pytest.mark.parametrize(
    "path",
    [
        b"http://evil.test/x",
        b"//evil.test/x",
        b"/\\evil",
        b"@evil",
        b"/#x",
        b"*",
        b"",
        b"/v1/../admin",
        b"/v1/%2e%2e/admin",
        b"/..%2fadmin",
        b"/a/.",
        b"/a%00b",
        b"/a b",
        b"/a\xe9",
    ],
)
def test_targets_that_are_no_plain_absolute_path_are_refused(path: bytes) -> None:
    """A8, A9"""
    assert status(scope(path)) == 400


@pytest.mark.parametrize("query", [b"a#b", b"a b", b"\xe9", b"a\x00"])
def test_queries_that_are_no_plain_ascii_are_refused(query: bytes) -> None:
    """A8, A9"""
    assert status(scope(query=query)) == 400


def test_a_long_target_is_refused() -> None:
    """A14"""
    assert status(scope(b"/" + b"a" * 9000)) == 414
    assert status(scope(query=b"a" * 9000)) == 414


@pytest.mark.parametrize("value", [b"3, 3", b"+3", b"0x3", b"-1", b"0_3", b"18446744073709551619", b"", b"3 "])
def test_odd_content_lengths_are_refused(value: bytes) -> None:
    """A2"""
    assert status(scope(b"/x", (b"content-length", value))) == 400


def test_conflicting_framing_is_refused() -> None:
    """A1, A2, A3"""
    length, chunked = (b"content-length", b"3"), (b"transfer-encoding", b"chunked")
    assert status(scope(b"/x", length)) is None
    assert status(scope(b"/x", chunked)) is None
    assert status(scope(b"/x", length, length)) == 400
    assert status(scope(b"/x", length, chunked)) == 400
    assert status(scope(b"/x", chunked, chunked)) == 400
    assert status(scope(b"/x", chunked, version="1.0")) == 400
    for coding in (b"xchunked", b"gzip, chunked", b"chunked, identity"):
        assert status(scope(b"/x", (b"transfer-encoding", coding))) == 501


def test_a_body_over_the_limit_is_refused_by_its_length() -> None:
    """A21"""
    assert check(scope(b"/x", (b"content-length", b"1001")), RULES) == Rejection(
        413, "body_too_large", "the request body is larger than 1000 bytes; send less."
    )


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        ((), 400),
        ((HOST, HOST), 400),
        (((b"host", b"a b/c@d"),), 400),
        (((b"host", b"evil.test"),), 403),
        (((b"host", b"127.0.0.1.evil.test"),), 403),
        (((b"host", b"localhost:1"),), None),
        (((b"host", b"[::1]:8080"),), None),
        (((b"host", b"PROXY.test"),), None),
    ],
)
def test_only_one_known_host_is_served(hosts: tuple[tuple[bytes, bytes], ...], expected: int | None) -> None:
    """A7, H7"""
    assert status(scope(host=hosts)) == expected


def test_probes_are_answered_under_any_host_name() -> None:
    for method, expected in (("GET", None), ("HEAD", None), ("POST", 403)):
        assert status(scope(b"/healthz", method=method, host=((b"host", b"10.0.0.7:8080"),))) == expected


@pytest.mark.parametrize(
    "header",
    [(b"x-a", b"a\rb"), (b"x-a", b"a\nb"), (b"x-a", b"a\x00b"), (b"x-a", b"a\x0bb"), (b"x a", b""), (b"", b"x")],
)
def test_control_bytes_in_headers_are_refused(header: tuple[bytes, bytes]) -> None:
    """A10"""
    assert status(scope(b"/x", header)) == 400


def test_too_many_or_too_large_headers_are_refused() -> None:
    """A14"""
    assert status(scope(b"/x", *[(b"x-%d" % n, b"") for n in range(100)])) == 431
    assert status(scope(b"/x", (b"x-a", b"a" * 70_000))) == 431


@pytest.mark.parametrize(("method", "expected"), [("TRACE", 405), ("CONNECT", 405), ("get", 405), ("A" * 1000, 405)])
def test_odd_methods_are_refused(method: str, expected: int) -> None:
    """A17"""
    assert status(scope(method=method)) == expected


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "PURGE"])
def test_ordinary_methods_pass(method: str) -> None:
    assert status(scope(method=method)) is None


def test_upgrades_and_unknown_expectations_are_refused() -> None:
    """A15, A18"""
    assert status(scope(b"/x", (b"upgrade", b"h2c"))) == 426
    assert status(scope(b"/x", (b"expect", b"200-maybe"))) == 417
    assert status(scope(b"/x", (b"expect", b"100-continue"))) is None


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ((b"origin", b"http://evil.test"), 403),
        ((b"origin", b"null"), 403),
        ((b"sec-fetch-site", b"cross-site"), 403),
        ((b"origin", b"http://127.0.0.1:8081"), None),
        ((b"sec-fetch-site", b"same-origin"), None),
    ],
)
def test_pages_of_other_sites_are_refused(header: tuple[bytes, bytes], expected: int | None) -> None:
    """H6"""
    assert status(scope(b"/x", header)) == expected


def test_a_link_on_another_site_may_lead_to_pages_but_not_to_the_relay() -> None:
    """H6"""
    fetched = (b"sec-fetch-site", b"cross-site")
    link = scope(b"/requests", fetched, (b"sec-fetch-mode", b"navigate"), method="GET")
    image = scope(b"/requests", fetched, (b"sec-fetch-mode", b"no-cors"), method="GET")
    form = scope(b"/requests", fetched, (b"sec-fetch-mode", b"navigate"), method="POST")
    pages = replace(RULES, links=True)
    assert check(link, pages) is None
    assert check(image, pages) is not None
    assert check(form, pages) is not None
    assert check(link, RULES) is not None


@given(st.binary(max_size=60))
def test_no_target_crashes_the_gate_or_gets_through_unclean(path: bytes) -> None:
    """A8: what passes begins with one slash and names no dot segment."""
    if status(scope(path)) is None:
        assert path.startswith(b"/")
        assert not path.startswith((b"//", b"/\\"))
        assert not {b".", b".."} & set(path.replace(b"%2e", b".").replace(b"%2E", b".").split(b"/"))


@given(st.lists(st.tuples(st.binary(max_size=12), st.binary(max_size=20)), max_size=6))
def test_no_headers_crash_the_gate(headers: list[tuple[bytes, bytes]]) -> None:
    assert status(scope(b"/x", *headers)) in (None, 400, 403, 413, 417, 426, 431, 501)


async def _echo(scope: Scope, receive: Receive, send: Send) -> None:
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    names = b",".join(name for name, _ in scope["headers"])
    await _reply(send, 200, b"%d %s" % (size, names))


async def _refuse(scope: Scope, receive: Receive, send: Send, rejection: Rejection) -> None:
    await _reply(send, rejection.status, rejection.message.encode())


async def _reply(send: Send, code: int, body: bytes) -> None:
    fields = [(b"content-length", b"%d" % len(body))] + ([(b"connection", b"close")] if code >= 400 else [])
    await send({"type": "http.response.start", "status": code, "headers": fields})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module", params=["zttp", "h11"])
def wire(request: pytest.FixtureRequest) -> Iterator[tuple[str, int]]:
    """A gate on a real port, once for each server parser."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        gated = server(Gate(_echo, rules=RULES, refuse=_refuse), parser=request.param)
        thread = threading.Thread(target=asyncio.run, args=(gated.serve(sockets=[sock]),))
        thread.start()
        yield sock.getsockname()
        gated.stop()
        thread.join(10)


WIRE = {
    "CL and TE": (
        b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        {400},
    ),
    "CL twice, different": (
        b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
        {400},
    ),
    "CL +3": (b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: +3\r\n\r\nabc", {400}),
    "CL 0x3": (b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0x3\r\n\r\nabc", {400}),
    "CL -1": (b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", {400}),
    "CL overflow": (b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 18446744073709551619\r\n\r\nabc", {400}),
    "TE xchunked": (b"POST /x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: xchunked\r\n\r\n", {400, 501}),
    "TE gzip, chunked": (
        b"POST /x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        {400, 501},
    ),
    "TE twice": (
        b"POST /x HTTP/1.1\r\nHost: localhost\r\n" + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n0\r\n\r\n",
        {400, 501},
    ),
    "TE on 1.0": (b"POST /x HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", {400}),
    "no Host": (b"GET /x HTTP/1.1\r\n\r\n", {400}),
    "two Hosts": (b"GET /x HTTP/1.1\r\nHost: localhost\r\nHost: evil.test\r\n\r\n", {400}),
    "bad Host": (b"GET /x HTTP/1.1\r\nHost: a b/c@d\r\n\r\n", {400}),
    "foreign Host": (b"GET /x HTTP/1.1\r\nHost: evil.test\r\n\r\n", {403}),
    "absolute form": (b"GET http://evil.test/x HTTP/1.1\r\nHost: localhost\r\n\r\n", {400}),
    "double slash": (b"GET //evil.test/x HTTP/1.1\r\nHost: localhost\r\n\r\n", {400}),
    "dot segment": (b"GET /v1/../../admin HTTP/1.1\r\nHost: localhost\r\n\r\n", {400}),
    "8-bit target": (b"GET /a\xe9b HTTP/1.1\r\nHost: localhost\r\n\r\n", {400}),
    "8-bit query": (b"GET /a?b=\xe9 HTTP/1.1\r\nHost: localhost\r\n\r\n", {400}),
    "NUL in a value": (b"GET /x HTTP/1.1\r\nHost: localhost\r\nX-A: a\x00b\r\n\r\n", {400}),
    "bare CR in a value": (b"GET /x HTTP/1.1\r\nHost: localhost\r\nX-A: a\rb\r\n\r\n", {400}),
    "space before the colon": (b"GET /x HTTP/1.1\r\nHost: localhost\r\nX-A : b\r\n\r\n", {400}),
    "70 kB header": (b"GET /x HTTP/1.1\r\nHost: localhost\r\nX-A: " + b"a" * 70_000 + b"\r\n\r\n", {400, 431}),
    "1,000 headers": (
        b"GET /x HTTP/1.1\r\nHost: localhost\r\n" + b"".join(b"X-%d: a\r\n" % n for n in range(1000)) + b"\r\n",
        {400, 431},
    ),
    "TRACE": (b"TRACE /x HTTP/1.1\r\nHost: localhost\r\n\r\n", {405}),
    "CONNECT": (b"CONNECT evil.test:443 HTTP/1.1\r\nHost: localhost\r\n\r\n", {400, 405}),
    "body over the limit": (b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000000000\r\n\r\n", {413}),
}


@pytest.mark.parametrize("case", WIRE)
def test_bad_framing_is_refused_on_the_wire_and_the_connection_closed(wire: tuple[str, int], case: str) -> None:
    """A1–A3, A7–A10, A14, A17, A19 on zttp and h11"""
    request, expected = WIRE[case]
    with Connection(wire, timeout=5) as connection:
        with contextlib.suppress(ConnectionError):
            connection.send(request)
        reply = connection.reply(head_only=True)
        assert reply.status in expected, reply
        assert connection.closed()


def test_a_list_of_equal_lengths_is_refused_or_read_as_one_length(wire: tuple[str, int]) -> None:
    """A2: h11 folds equal lengths into one before the gate sees them, as RFC 9112 section 6.3 allows"""
    with Connection(wire, timeout=5) as connection:
        connection.send(b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3, 3\r\n\r\nabc")
        reply = connection.reply()
    assert reply.status == 400 or reply.body.startswith(b"3 ")


@pytest.mark.parametrize(
    "chunks",
    [b"0x3\r\nabc\r\n0\r\n\r\n", b"+3\r\nabc\r\n0\r\n\r\n", b"3\r\nabcX0\r\n\r\n", b"fffffffffffffffff\r\nabc"],
)
def test_a_bad_chunk_is_never_the_end_of_a_body(wire: tuple[str, int], chunks: bytes) -> None:
    """A4: the application may see the beginning, but the client gets no 200."""
    with Connection(wire, timeout=5) as connection:
        connection.send(b"POST /x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n", chunks)
        connection.sock.shutdown(socket.SHUT_WR)
        assert connection.reply().status in (0, 400)


def test_trailers_never_become_headers(wire: tuple[str, int]) -> None:
    """A6, in one segment and in several"""
    head = b"POST /x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    for parts in (
        (head + b"3\r\nabc\r\n0\r\nAuthorization: Bearer x\r\n\r\n",),
        (head, b"3\r\nabc\r\n", b"0\r\nAuthoriz", b"ation: Bearer x\r\n\r\n"),
    ):
        with Connection(wire, timeout=5) as connection:
            connection.send(*parts)
            reply = connection.reply()
        assert reply.status == 200
        assert b"authorization" not in reply.body


def test_pipelined_requests_are_answered_in_order(wire: tuple[str, int]) -> None:
    """A19"""
    with Connection(wire, timeout=5) as connection:
        connection.send(
            b"".join(
                b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" % (n, b"a" * n)
                for n in (1, 2, 3)
            )
        )
        assert [connection.reply().body.split()[0] for _ in range(3)] == [b"1", b"2", b"3"]
