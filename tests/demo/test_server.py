"""The upstream as a process of its own."""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
import socket

import httpx

from proxy.demo.server import run, serve
from proxy.demo.upstream import Upstream
from tests.kit.process import wait


def test_process_serves_until_it_is_told_to_end() -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
        process = multiprocessing.get_context("spawn").Process(target=run, args=(sock,), kwargs={"speed": 0, "seed": 3})
        process.start()
        answer = httpx.get(f"http://127.0.0.1:{port}/api/hello", timeout=30, trust_env=False)
    assert answer.json() == {"message": "hello"}
    process.terminate()
    process.join(20)
    assert process.exitcode == -signal.SIGTERM


def test_small_answers_do_not_wait_for_an_acknowledgement() -> None:
    """Sockets accepted from a listener that has the option inherit it."""

    async def main() -> None:
        stop = asyncio.Event()
        with socket.create_server(("127.0.0.1", 0)) as sock:
            async with asyncio.TaskGroup() as group:
                group.create_task(serve(Upstream(), sock, stop=stop))
                await asyncio.to_thread(
                    wait, lambda: sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY), "no delay"
                )
                stop.set()

    asyncio.run(main())
