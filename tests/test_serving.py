"""uvicorn as both ports use it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket

from proxy.serving import address, on_stop, run


def test_addresses_are_written_as_urls_need_them() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as four,
        socket.create_server(("::1", 0), family=socket.AF_INET6) as six,
    ):
        assert address(four) == f"127.0.0.1:{four.getsockname()[1]}"
        assert address(six) == f"[::1]:{six.getsockname()[1]}"


def test_a_process_is_told_to_stop_when_its_supervisor_dies() -> None:
    ours, theirs = os.pipe()

    async def main() -> None:
        stopped = asyncio.Event()
        on_stop(asyncio.get_running_loop(), stopped.set, ours)
        os.close(theirs)
        await asyncio.wait_for(stopped.wait(), 10)

    before = signal.getsignal(signal.SIGINT)
    run(main())
    signal.signal(signal.SIGINT, before)
    os.close(ours)
