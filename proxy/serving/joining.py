"""Head and body of an answer in one segment, where both are there in the same turn of the event loop."""

from __future__ import annotations

import asyncio

_HEAD = b"HTTP/1.1 "


class Joined:
    """A transport that keeps the head of an answer until its body begins, at most until the loop's next turn."""

    __slots__ = ("_head", "_loop", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head = b""

    def write(self, data: bytes) -> None:
        """Sends bytes; what begins like a head may wait for what comes next."""
        if self._head:
            data, self._head = self._head + data, b""
        elif not data:
            return
        elif data.startswith(_HEAD):
            self._head = data
            self._loop.call_soon(self.flush)
            return
        self._transport.write(data)

    def flush(self) -> None:
        """Sends a head that waits."""
        if self._head and not self._transport.is_closing():
            self._transport.write(self._head)
        self._head = b""

    def close(self) -> None:
        """Sends what waits and closes."""
        self.flush()
        self._transport.close()

    def abort(self) -> None:
        """Closes at once; what waits is lost."""
        self._head = b""
        self._transport.abort()

    def __getattr__(self, name: str) -> object:
        return getattr(self._transport, name)
