"""A whole port on any bytes: both servers answer with a status of ours or close, and nothing is raised."""

from __future__ import annotations

import asyncio
import re
import socket
from functools import cache
from http import HTTPStatus
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from proxy.gate import Gate, Receive, Rejection, Scope, Send
from proxy.serving.server import PARSERS, Parser, server
from tests.fuzz.targets import cut
from tests.fuzz.targets.gate import RULES, STATUSES
from tests.fuzz.targets.wire import TOKENS as WORDS

TOKENS = (*WORDS, b"\xff", b"a" * 70, b"Connection: keep-alive\r\n", b"HEAD / HTTP/1.1\r\n")
_ANSWER = re.compile(rb"HTTP/1\.1 (\d+) ")
MOST_TURNS = 200
"""Turns of the loop after which everything that was sent is answered."""


class Wire(asyncio.Transport):
    """Keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2), "socket": socket.socket()})
        self.written = bytearray()
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self.closed:
            self.written += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = close

    def pause_reading(self) -> None:
        pass

    resume_reading = pause_reading

    def get_write_buffer_size(self) -> int:
        return 0


def check(data: bytes) -> None:
    """In pieces, whose size the byte before a 0xff says."""
    size, mark, sent = data.partition(b"\xff")
    pieces = cut(sent, size[0]) if size and mark else [data]
    for parser in PARSERS:
        said = _loop().run_until_complete(_served(_config(parser), pieces))
        statuses = {int(status) for status in _ANSWER.findall(said)}
        assert statuses <= {HTTPStatus.CONTINUE, HTTPStatus.OK, *STATUSES}, statuses
        assert not said or statuses


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda _, context: _raised().append(context))
    return loop


@cache
def _raised() -> list[dict[str, Any]]:
    """What was raised where only the loop hears of it."""
    return []


@cache
def _config(parser: Parser) -> uvicorn.Config:
    config = server(Gate(_read_all, rules=RULES, refuse=_refuse), parser=parser).config
    config.load()
    return config


async def _served(config: uvicorn.Config, pieces: list[bytes]) -> bytes:
    """All that one connection is answered."""
    state, wire = ServerState(), Wire()
    protocol = config.http_protocol_class(config=config, server_state=state, app_state={})  # type: ignore[call-arg]
    protocol.connection_made(wire)
    for piece in pieces:
        if piece and not wire.closed:
            protocol.data_received(piece)
            await asyncio.sleep(0)
    for _ in range(MOST_TURNS):
        await asyncio.sleep(0)
        if not state.tasks:
            break
    protocol.connection_lost(None)
    await asyncio.gather(*state.tasks)
    wire.get_extra_info("socket").close()
    assert _raised() == []
    return bytes(wire.written)


async def _read_all(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers a request once its body is whole."""
    while (message := await receive())["type"] == "http.request" and message["more_body"]:
        pass
    await _answer(send, HTTPStatus.OK)


async def _refuse(scope: Scope, receive: Receive, send: Send, rejection: Rejection) -> None:
    await _answer(send, rejection.status)


async def _answer(send: Send, status: int) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"{}", "more_body": False})
