from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from proxy.serving.accepting import Accepting

MANY = 40


class Noting(asyncio.Protocol):
    """A protocol that says when its connection is there."""

    def __init__(self, made: Callable[[], None]) -> None:
        self._made = made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._made()
        transport.close()


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=MANY) as sock:
        yield sock


def crowd(sock: socket.socket, count: int, until: ExitStack) -> None:
    """So many clients whose connections wait to be taken."""
    for _ in range(count):
        until.enter_context(socket.create_connection(sock.getsockname()))


async def taken_by(workers: int, sock: socket.socket) -> list[int]:
    """How many of the crowd each got."""
    counts = [0] * workers
    all_there = asyncio.Event()
    loop = asyncio.get_running_loop()

    def counting(number: int) -> Callable[[], asyncio.Protocol]:
        def count() -> None:
            counts[number] += 1
            if sum(counts) == MANY:
                all_there.set()

        return lambda: Noting(count)

    with ExitStack() as until:
        shared = [until.enter_context(sock.dup()) for _ in range(workers)]
        servers = [Accepting(loop, each, counting(number)) for number, each in enumerate(shared)]
        async with asyncio.timeout(10):
            await all_there.wait()
        for server in servers:
            server.close()
            await server.wait_closed()
    return counts


def test_a_crowd_that_comes_at_once_is_shared_by_all_workers(listening: socket.socket) -> None:
    with ExitStack() as until:
        crowd(listening, MANY, until)
        counts = asyncio.run(taken_by(4, listening))
    assert sum(counts) == MANY
    assert min(counts) >= MANY // 8


def test_connections_refused_for_want_of_open_files_are_taken_later(listening: socket.socket) -> None:
    async def starve_and_recover() -> None:
        made = asyncio.Event()
        loop = asyncio.get_running_loop()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            server = Accepting(loop, listening, lambda: Noting(made.set))
            await asyncio.sleep(0.05)
            assert not made.is_set()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        async with asyncio.timeout(10):
            await made.wait()
        server.close()
        await server.wait_closed()

    with ExitStack() as until:
        crowd(listening, 1, until)
        asyncio.run(starve_and_recover())


def test_what_is_closed_takes_no_more(listening: socket.socket) -> None:
    made: list[None] = []

    async def close_at_once() -> None:
        server = Accepting(asyncio.get_running_loop(), listening, lambda: Noting(lambda: made.append(None)))
        server.close()
        await asyncio.sleep(0.05)
        await server.wait_closed()

    with ExitStack() as until:
        crowd(listening, 1, until)
        asyncio.run(close_at_once())
    assert not made


def test_a_connection_that_opens_while_the_server_closes_is_not_kept(listening: socket.socket) -> None:
    class Closing(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            servers[0].close()

    async def close_meanwhile() -> None:
        servers.append(Accepting(asyncio.get_running_loop(), listening, Closing))
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        async with asyncio.timeout(10):
            assert await reader.read() == b""
        writer.close()
        await servers[0].wait_closed()

    servers: list[Accepting] = []
    asyncio.run(close_meanwhile())
