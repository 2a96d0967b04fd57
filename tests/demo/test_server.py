"""The upstream as a process of its own."""

from __future__ import annotations

import multiprocessing
import signal
import socket

import httpx

from proxy.demo.server import run


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
