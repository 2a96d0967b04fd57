"""uvicorn as both ports use it: started on an inherited socket, quiet, with our own signals and drain.

uvicorn's own bounded shutdown drops requests before their `finally` has run, so it is never bounded here.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Literal, TypeVar

import uvicorn
from uvicorn.protocols.http.zttp_impl import ZttpProtocol

from proxy.gate import App

KEEP_ALIVE_S = 75
T = TypeVar("T")
Parser = Literal["zttp", "h11"]


class _Zttp(ZttpProtocol):
    """uvicorn decodes request targets as ASCII without a net: one odd byte would be a traceback in the log."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.access_log = False  # it asks who listens to the log, not what was configured

    def data_received(self, data: bytes) -> None:
        try:
            super().data_received(data)
        except UnicodeDecodeError:
            self.handle_remote_protocol_error()


class Server(uvicorn.Server):
    """A uvicorn server that leaves signals to its process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def stop(self) -> None:
        """Stops accepting; requests under way go on."""
        self.should_exit = True

    def break_off(self) -> None:
        """Breaks every connection, with what a client that takes nothing was still to get."""
        for connection in tuple(self.server_state.connections):
            connection.transport.abort()


def server(app: App, *, parser: Parser = "zttp") -> Server:
    """A server for `app`; `parser` is `zttp` or, as a fallback, `h11`."""
    for name in ("uvicorn", "uvicorn.error", "uvicorn.asgi"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # it logs every answer that we break off on purpose
    return Server(
        uvicorn.Config(
            app,
            http=_Zttp if parser == "zttp" else parser,
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            h11_max_incomplete_event_size=131_072,
        )
    )


def run(main: Coroutine[Any, Any, T]) -> T:
    """Runs a process's main coroutine on uvloop where there is one."""
    try:
        import uvloop
    except ImportError:
        factory = asyncio.new_event_loop
    else:
        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main)


def on_stop(loop: asyncio.AbstractEventLoop, stop: Callable[[], None], parent: int | None) -> None:
    """Calls `stop` on SIGTERM, on SIGINT unless a supervisor forwards it, and when the supervisor dies.

    `parent` is the read end of a pipe that the supervisor holds open for its life.
    """
    loop.add_signal_handler(signal.SIGTERM, stop)
    if parent is None:
        loop.add_signal_handler(signal.SIGINT, stop)
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def gone() -> None:
        if not os.read(parent, 1):
            loop.remove_reader(parent)
            stop()

    loop.add_reader(parent, gone)


def address(sock: socket.socket) -> str:
    """`host:port` of a listening socket, IPv6 in brackets."""
    host, port = sock.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
