"""Runs the fake upstream on a bound socket with uvicorn, in this process or as a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from proxy.demo.upstream import Upstream

FAILURES = 0.04
"""Share of failing answers that makes the demo worth looking at."""
SHUTDOWN_SECONDS = 1
PARSER = "zttp"
_EXPECTED = ("ASGI callable returned without completing response.", "Cancel %s running task(s)")
"""What uvicorn says when an answer is cut on purpose, or when the demo ends while answers are on their way."""


class _Expected(logging.Filter):
    """Drops the lines that only say that the fake upstream did what it is for."""

    def filter(self, record: logging.LogRecord) -> bool:
        cancelled = record.exc_info is not None and isinstance(record.exc_info[1], asyncio.CancelledError)
        return not cancelled and not str(record.msg).startswith(_EXPECTED)


async def serve(app: ASGIApp, sock: socket.socket, *, stop: asyncio.Event | None = None, parser: str = PARSER) -> None:
    """Serve `app` on a bound socket until `stop` is set (or SIGINT or SIGTERM comes); closes the socket.

    `parser` is uvicorn's name of an HTTP implementation.
    """
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        # asyncio skips this for sockets made without naming TCP: answers in two writes then wait 40 ms for an ACK
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    server = _server(app, parser)
    quiet = _Expected()
    logger = logging.getLogger("uvicorn.error")
    logger.addFilter(quiet)
    try:
        async with asyncio.TaskGroup() as group:
            stopper = group.create_task(_exit_on(stop, server)) if stop else None
            await server.serve(sockets=[sock])
            if server.server_state.tasks:
                await asyncio.wait(server.server_state.tasks, timeout=SHUTDOWN_SECONDS)
            if stopper:
                stopper.cancel()
    finally:
        logger.removeFilter(quiet)


def run(
    sock: socket.socket,
    *,
    seed: int = 0,
    speed: float = 1.0,
    failures: float = FAILURES,
    vectors: Path | None = None,
) -> None:
    """Serve a new `Upstream` on a bound socket until a signal comes; meant as the target of a process."""
    app = Upstream(seed=seed, speed=speed, failures=failures, vectors=vectors)
    with (
        contextlib.suppress(KeyboardInterrupt),
        asyncio.Runner(loop_factory=uvicorn.Config(app, log_config=None).get_loop_factory()) as runner,
    ):
        runner.run(serve(app, sock))


def _server(app: ASGIApp, parser: str) -> uvicorn.Server:
    config = uvicorn.Config(
        app,
        http=parser,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    return uvicorn.Server(config)


async def _exit_on(stop: asyncio.Event, server: uvicorn.Server) -> None:
    await stop.wait()
    server.should_exit = True
