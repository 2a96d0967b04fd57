"""What the system says of a client's connection that nobody reads."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from proxy.gate import Message, Send
from proxy.relay.hanging_up import drop, hung_up
from proxy.serving.process import run

RESET = struct.pack("ii", 1, 0)


class Cycle:
    """What the server's `send` is bound to."""

    def __init__(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    async def send(self, message: Message) -> None:
        """Sends nothing."""


async def told(do: Callable[[socket.socket], object], wanted: bool) -> bool:
    """Whether `hung_up` comes to say what is wanted after the client did something, while nothing is read."""
    connected: asyncio.Future[Send] = asyncio.get_running_loop().create_future()

    class Deaf(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            connected.set_result(Cycle(transport).send)
            transport.pause_reading()  # type: ignore[attr-defined]

    server = await asyncio.get_running_loop().create_server(Deaf, "127.0.0.1", 0)
    async with server:
        client = socket.create_connection(server.sockets[0].getsockname())
        send = await asyncio.wait_for(connected, 10)
        assert not hung_up(send)
        do(client)
        for _ in range(500):
            if hung_up(send) is wanted:
                break
            await asyncio.sleep(0.01)
        found = hung_up(send)
        drop(send)
        client.close()
    return found


@pytest.mark.parametrize(
    ("do", "gone"),
    [
        (lambda client: client.sendall(b"more"), False),
        (lambda client: client.shutdown(socket.SHUT_WR), True),
        (lambda client: (client.sendall(b"more"), client.close()), True),
        (lambda client: (client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET), client.close()), True),
    ],
    ids=["sends", "ends", "sends and closes", "resets"],
)
def test_a_client_that_left_is_noticed_though_nobody_reads(do: Callable[[socket.socket], object], gone: bool) -> None:
    assert run(told(do, gone)) is gone


def test_a_server_whose_connection_is_not_known_is_taken_to_be_alive() -> None:
    async def send(message: Message) -> None:
        """Bound to nothing."""

    assert not hung_up(send)
    assert not hung_up(Cycle(SimpleNamespace(get_extra_info=lambda name: None)).send)  # type: ignore[arg-type]
    drop(send)
