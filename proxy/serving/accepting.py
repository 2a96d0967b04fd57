"""Connections of a port that several processes share: each takes one, and then lets the others take the next.

Who listens as asyncio does takes all that wait at once, and a crowd that comes together ends at one worker.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

TURN_S = 0.001
"""How long a process that has taken a connection leaves the next to the others."""
EXHAUSTED_S = 0.5
"""The pause after the system refused a connection, for want of open files or memory."""


class Accepting:
    """Takes connections from a listening socket; in the place of the server that asyncio would make of it."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, sock: socket.socket, protocol: Callable[[], asyncio.Protocol]
    ) -> None:
        sock.setblocking(False)
        self._loop = loop
        self._socket = sock
        self._protocol = protocol
        self._turn: asyncio.TimerHandle | None = None
        self._opening: set[asyncio.Task[object]] = set()
        self._closed = False
        self._listen()

    def close(self) -> None:
        """Takes no more; what was taken and is open goes on."""
        self._closed = True
        if self._turn is not None:
            self._turn.cancel()
        self._loop.remove_reader(self._socket)

    async def wait_closed(self) -> None:
        """Waits for connections that are being opened."""
        await asyncio.gather(*self._opening, return_exceptions=True)

    def _listen(self) -> None:
        self._loop.add_reader(self._socket, self._take)

    def _take(self) -> None:
        pause = TURN_S
        try:
            connection, _ = self._socket.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError:
            pause = EXHAUSTED_S
        else:
            opening = self._loop.create_task(self._open(connection))
            self._opening.add(opening)
            opening.add_done_callback(self._opened)
        self._loop.remove_reader(self._socket)
        self._turn = self._loop.call_later(pause, self._listen)

    def _opened(self, opening: asyncio.Task[object]) -> None:
        self._opening.discard(opening)
        if not opening.cancelled():
            opening.exception()  # a client that left at once is nobody's trouble

    async def _open(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        transport, _ = await self._loop.connect_accepted_socket(self._protocol, connection)
        if self._closed:
            transport.close()  # the server has already told those that it knew
