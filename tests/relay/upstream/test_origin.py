"""Connections to one address: found, made, kept for a while, given up."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable

import pytest

from proxy.relay.upstream.connection import Connection
from proxy.relay.upstream.origin import ANSWERS_PER_REPLAY, KEEP_ALIVE_S, MOST_REPLAYS, Origin
from proxy.serving.process import run
from tests.kit.process import wait
from tests.kit.upstream import Upstream


def origin_of(base: str, loop: asyncio.AbstractEventLoop, connect_timeout: float = 5.0) -> Origin:
    return Origin(loop, base, context=ssl.create_default_context(), connect_timeout=connect_timeout)


def using(upstream: Upstream, use: Callable[[Origin], Awaitable[None]]) -> None:
    async def main() -> None:
        origin = origin_of(upstream.url, asyncio.get_running_loop())
        await use(origin)
        origin.close()
        await asyncio.sleep(0.01)  # what was broken off is closed in the next turn of the loop

    with upstream.running():
        run(main())


@pytest.mark.parametrize(
    ("base", "host", "prefix"),
    [
        ("https://api.anthropic.com", b"api.anthropic.com", b""),
        ("https://api.anthropic.com:443/v2", b"api.anthropic.com", b"/v2"),
        ("http://localhost:80", b"localhost", b""),
        ("http://localhost:443", b"localhost:443", b""),
        ("https://[::1]:8443/a/b", b"[::1]:8443", b"/a/b"),
        ("https://bücher.example", b"xn--bcher-kva.example", b""),
    ],
)
def test_host_and_prefix_are_those_of_the_url(base: str, host: bytes, prefix: bytes) -> None:
    async def main() -> None:
        origin = origin_of(base, asyncio.get_running_loop())
        assert (origin.host, origin.prefix) == (host, prefix)

    run(main())


def test_the_connection_used_last_is_used_first() -> None:
    async def use(origin: Origin) -> None:
        first, second = await origin.connect(), await origin.connect()
        origin.keep(first)
        origin.keep(second)
        assert [origin.idle(), origin.idle(), origin.idle()] == [second, first, None]
        first.abort()
        second.abort()

    using(Upstream(), use)


def test_a_connection_that_was_closed_meanwhile_is_not_used() -> None:
    async def use(origin: Origin) -> None:
        connection = await origin.connect()
        origin.keep(connection)
        connection.abort()
        assert origin.idle() is None

    using(Upstream(), use)


def test_a_connection_idle_for_too_long_is_not_used() -> None:
    async def use(origin: Origin) -> None:
        old, young = await origin.connect(), await origin.connect()
        for connection in (young, old):
            origin.keep(connection)
        old.idle_since -= KEEP_ALIVE_S
        assert origin.idle() is young
        assert old.closed
        young.abort()

    using(Upstream(), use)


def test_connections_idle_for_too_long_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.relay.upstream.origin.KEEP_ALIVE_S", 0.2)

    async def until_closed(connection: Connection) -> None:
        deadline = asyncio.get_running_loop().time() + 20
        while not connection.closed:
            assert asyncio.get_running_loop().time() < deadline
            await asyncio.sleep(0.02)

    async def use(origin: Origin) -> None:
        old, young = await origin.connect(), await origin.connect()
        for connection in (old, young):
            origin.keep(connection)
        young.idle_since += 3600
        await until_closed(old)
        assert not young.closed
        young.idle_since -= 3600
        await until_closed(young)
        assert origin.idle() is None

    using(Upstream(), use)


def test_where_connections_prove_dead_one_is_used_again_for_every_five_answers() -> None:
    """C9: at most a fifth more load, but for the first few."""

    async def use(origin: Origin) -> None:
        dead = 0
        for _ in range(100):
            connection = await origin.connect()
            origin.keep(connection)
            if origin.idle() is connection:
                origin.found_dead()
                dead += 1
            connection.abort()
        assert 100 / ANSWERS_PER_REPLAY <= dead <= 100 / ANSWERS_PER_REPLAY + MOST_REPLAYS

    using(Upstream(), use)


def test_a_name_with_a_dead_address_is_reached_by_its_other_one() -> None:
    """RFC 8305: here the name's first address answers nothing at all."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        origin = origin_of(f"http://localhost:{port}", loop)
        addresses = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", dead)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)),
        ]
        origin._addresses, origin._addresses_until = addresses, float("inf")
        connection = await origin.connect()
        assert not connection.closed
        connection.abort()
        await asyncio.sleep(0.01)

    upstream = Upstream()
    with upstream.running(), socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port, dead = upstream.port, full.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for sock in waiting:
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", dead))
        run(main())
        for sock in waiting:
            sock.close()
        wait(lambda: upstream.connections == 1, "the connection")


def test_a_cancelled_connection_leaves_nothing_behind() -> None:
    async def use(origin: Origin) -> None:
        for _ in range(50):
            connecting = asyncio.create_task(origin.connect())
            await asyncio.sleep(0)
            connecting.cancel()
            await asyncio.wait([connecting])
        (await origin.connect()).abort()

    using(Upstream(), use)
