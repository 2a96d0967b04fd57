"""Requests as they leave: their bytes, what would split them, what failures are called."""

from __future__ import annotations

import asyncio
import contextlib
import ssl

import pytest

from proxy.relay.errors import UpstreamUnreachable
from proxy.relay.upstream.client import Client, Connecting, request_head
from proxy.relay.upstream.origin import Origin
from proxy.serving.process import run
from tests.kit.upstream import Talk, Upstream

Fields = list[tuple[bytes, bytes]]


def head(method: str, target: str, headers: Fields, framing: bytes = b"") -> bytes:
    loop = asyncio.new_event_loop()
    try:
        origin = Origin(loop, "https://upstream.test/v9", context=ssl.create_default_context(), connect_timeout=1)
        return request_head(method, origin, target, headers, framing)
    finally:
        loop.close()


def test_a_head_is_line_host_and_fields_in_their_order() -> None:
    fields = [(b"x-a", b"1"), (b"X-B", b""), (b"x-a", "é".encode())]
    assert head("POST", "/v1/messages?x=%2F", fields, b"content-length: 2\r\n") == (
        b"POST /v9/v1/messages?x=%2F HTTP/1.1\r\nhost: upstream.test\r\n"
        b"x-a: 1\r\nX-B: \r\nx-a: \xc3\xa9\r\ncontent-length: 2\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("method", "target", "fields"),
    [
        ("GET", "/a\r\nx: y", []),
        ("GET", "/a b", []),
        ("GET", "/a HTTP/1.1", []),
        ("G T", "/a", []),
        ("GET", "/a", [(b"x", b"y\r\nevil: 1")]),
        ("GET", "/a", [(b"x", b"y\nevil: 1")]),
        ("GET", "/a", [(b"x\r\nevil", b"y")]),
        ("GET", "/a", [(b"x", b"y\r\n\r\nGET /evil HTTP/1.1")]),
    ],
)
def test_what_would_split_a_request_is_never_sent(method: str, target: str, fields: Fields) -> None:
    with pytest.raises(UpstreamUnreachable):
        head(method, target, fields)


def test_a_request_that_is_never_sent_takes_no_connection() -> None:
    async def main() -> None:
        client = Client(asyncio.get_running_loop(), connect_timeout=5)
        for target in ("/a", "/a b", "/c"):
            with contextlib.suppress(UpstreamUnreachable):
                response = await client.send("GET", upstream.url, target, (), None, Connecting())
                await response.read()
                response.close()
        await client.close()
        await asyncio.sleep(0.01)  # what was broken off is closed in the next turn of the loop

    upstream = Upstream()
    with upstream.running():
        run(main())
    assert (len(upstream.seen), upstream.connections) == (2, 1)


@pytest.mark.parametrize(("method", "framing"), [("GET", []), ("DELETE", []), ("POST", [b"0"]), ("PUT", [b"0"])])
def test_a_request_without_a_body_says_so_where_one_is_usual(method: str, framing: list[bytes]) -> None:
    async def main() -> None:
        client = Client(asyncio.get_running_loop(), connect_timeout=5)
        response = await client.send(method, upstream.url, "/v1/files", (), None, Connecting())
        assert await response.read() == b'{"ok":true}'
        response.close()
        await client.close()
        await asyncio.sleep(0.01)  # what was broken off is closed in the next turn of the loop

    upstream = Upstream()
    with upstream.running():
        run(main())
    assert upstream.seen[0].values(b"content-length") == framing
    assert upstream.seen[0].values(b"transfer-encoding") == []


def test_an_attempt_tells_whether_its_connection_was_there_already() -> None:
    async def main() -> None:
        client = Client(asyncio.get_running_loop(), connect_timeout=5)
        told = []
        for fresh in (False, False, True):
            connecting = Connecting()
            response = await client.send("GET", upstream.url, "/", (), None, connecting, fresh=fresh)
            await response.read()
            response.close()
            told.append((connecting.reused, connecting.connect_ms is None))
        assert told == [(False, False), (True, True), (False, False)]
        await client.close()
        await asyncio.sleep(0.01)  # what was broken off is closed in the next turn of the loop

    upstream = Upstream()
    with upstream.running():
        run(main())
    assert upstream.connections == 2


@pytest.mark.parametrize(
    ("said", "error_type", "heard"), [(b"", "reset", b""), (b"nonsense\r\n", "other", b"nonsense\r\n")]
)
def test_no_answer_and_no_http_are_told_apart(said: bytes, error_type: str, heard: bytes) -> None:
    async def main() -> None:
        client = Client(asyncio.get_running_loop(), connect_timeout=5)
        with pytest.raises(UpstreamUnreachable) as raised:
            await client.send("GET", upstream.url, "/", (), None, Connecting())
        assert (raised.value.error_type, raised.value.heard, raised.value.stale) == (error_type, heard, False)
        await client.close()
        await asyncio.sleep(0.01)  # what was broken off is closed in the next turn of the loop

    def script(talk: Talk) -> None:
        talk.send(said)
        talk.close()

    upstream = Upstream(script=script)
    with upstream.running():
        run(main())
