"""Pieces written without a coroutine: framed like others, and only while the client takes them."""

from __future__ import annotations

import asyncio

import pytest

from proxy.gate import Receive, Scope, Send
from proxy.serving.pushing import pushing
from proxy.serving.server import Parser
from tests.kit.process import wait
from tests.kit.raw import Connection
from tests.test_serving import serving

MOST = 256 << 20


async def _pieces(scope: Scope, receive: Receive, send: Send) -> None:
    fields = [(b"content-length", b"4")] if scope["path"] == "/sized" else []
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    push = pushing(send)
    pushed = push is not None and push(b"abc")
    await send({"type": "http.response.body", "body": b"d" if pushed else b"abcd", "more_body": True})
    await send({"type": "http.response.body", "body": b"" if fields else b" pushed" if pushed else b" sent"})


@pytest.mark.parametrize(
    ("parser", "line", "body"),
    [
        ("zttp", b"GET / HTTP/1.1", b"abcd pushed"),
        ("zttp", b"GET /sized HTTP/1.1", b"abcd"),
        ("zttp", b"GET / HTTP/1.0", b"abcd pushed"),
        ("h11", b"GET / HTTP/1.1", b"abcd sent"),
    ],
)
def test_what_is_pushed_arrives_as_if_it_was_sent(parser: Parser, line: bytes, body: bytes) -> None:
    with serving(_pieces, parser) as (_, where), Connection(where, timeout=10) as connection:
        connection.send(line + b"\r\nHost: localhost\r\n\r\n")
        reply = connection.reply()
        assert (reply.status, reply.body) == (200, body)


def test_nothing_is_pushed_to_a_client_that_does_not_read_or_has_left() -> None:
    taken: list[int] = []
    refused, left, over = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def flood(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        push = pushing(send)
        assert push is not None
        while sum(taken) < MOST and push(b"a" * 65_536):
            taken.append(65_536)
        refused.set()
        while (await receive())["type"] != "http.disconnect":
            pass
        if not push(b"a"):
            left.set()
        over.set()

    with serving(flood, "zttp") as (_, where):
        with Connection(where, timeout=10) as connection:
            connection.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            wait(refused.is_set, "the client to be behind")
        wait(over.is_set, "the client to have left")
    assert 0 < sum(taken) < MOST
    assert left.is_set()
