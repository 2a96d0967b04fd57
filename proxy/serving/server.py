"""The uvicorn server of a port: quiet, started on an inherited socket, signals and drain left to its process.

uvicorn's own bounded shutdown drops requests before their `finally` has run, so it is never bounded here.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Collection, Iterator
from typing import Final, Literal

import uvicorn

from proxy.gate import App
from proxy.serving.accepting import Accepting
from proxy.serving.connections import Connection, Limits, Watch
from proxy.serving.parsers import H11, Zttp

Parser = Literal["zttp", "h11"]
PARSERS: Final = {"zttp": Zttp, "h11": H11}


class Server(uvicorn.Server):
    """A uvicorn server that leaves signals to its process and watches its connections."""

    def __init__(self, config: uvicorn.Config, watch: Watch, *, shared: bool) -> None:
        super().__init__(config)
        self._watch = watch
        self._shared = shared

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listens; on a port that other processes share, only in turn with them."""
        await super().startup(sockets=[] if self._shared else sockets)
        if self._shared:
            loop = asyncio.get_running_loop()
            self.servers = [Accepting(loop, sock, self._protocol) for sock in sockets or ()]  # type: ignore[misc]

    async def on_tick(self, counter: int) -> bool:
        """Called ten times a second."""
        connections: Collection[Connection] = self.server_state.connections  # type: ignore[assignment]
        self._watch.look(connections, asyncio.get_running_loop().time())
        return await super().on_tick(counter)

    def stop(self) -> None:
        """Stops accepting; requests under way go on."""
        self.should_exit = True

    def break_off(self) -> None:
        """Breaks every connection, with what a client that takes nothing was still to get."""
        for connection in tuple(self.server_state.connections):
            connection.transport.abort()

    def _protocol(self) -> asyncio.Protocol:
        """What serves one connection, made as uvicorn does."""
        protocol = self.config.http_protocol_class
        return protocol(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)  # type: ignore[call-arg]


def server(app: App, *, parser: Parser = "zttp", limits: Limits | None = None, shared: bool = False) -> Server:
    """A server for `app`; `parser` is `zttp` or, as a fallback, `h11`; `shared`: others listen on the same socket."""
    limits = limits or Limits()
    for name in ("uvicorn", "uvicorn.error", "uvicorn.asgi"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # it logs every answer that we break off on purpose
    config = uvicorn.Config(
        app,
        http=PARSERS[parser],
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_keep_alive=limits.keep_alive,  # type: ignore[arg-type]
        h11_max_incomplete_event_size=131_072,
    )
    return Server(config, Watch(limits), shared=shared)
