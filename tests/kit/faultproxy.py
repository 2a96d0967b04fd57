"""A TCP proxy that spoils what passes: latency, bandwidth, slices, stall, reset, close, in each direction.

Faults may be changed at any time; they hold for the next bytes of every connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
import time
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from typing import Any, Literal

_PIECE = 65_536
_LOOK_S = 0.01
"""How often a stalled direction looks whether its fault is over."""
_RESET = struct.pack("ii", 1, 0)

Direction = Literal["up", "down"]
Line = asyncio.Queue[tuple[float, bytes]]
"""Bytes on their way, with the time at which they are due; b"" is the end."""


@dataclass(frozen=True)
class Fault:
    """What happens to the bytes of one direction; without arguments they pass unharmed."""

    latency: float = 0.0
    """Seconds that each byte is late; order and gaps are kept."""
    bytes_per_s: float | None = None
    slice: int | None = None
    """At most so many bytes at once, each piece in a segment of its own."""
    gap: float = 0.0
    """Seconds between two slices."""
    then: Literal["pass", "stall", "reset", "close"] = "pass"
    """What happens once `after` bytes have passed: held back, both sides reset, both sides closed."""
    after: int = 0

    @property
    def most_at_once(self) -> int:
        """Bytes of a twentieth of a second, so that a slow line is slow from its first byte."""
        return _PIECE if self.bytes_per_s is None else max(1, int(self.bytes_per_s / 20))


BLACKHOLE = Fault(then="stall")
"""Nothing arrives, and nobody is told."""


class FaultProxy:
    """Listens on a free loopback port and passes bytes to `target`; set `up` and `down` at any time."""

    def __init__(self, target: tuple[str, int], *, up: Fault | None = None, down: Fault | None = None) -> None:
        self.faults: dict[Direction, Fault] = {"up": up or Fault(), "down": down or Fault()}
        self.connections = 0
        self.passed: dict[Direction, int] = {"up": 0, "down": 0}
        """Bytes handed over, of all connections."""
        self._target = target
        self._open: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()

    @property
    def url(self) -> str:
        """Base URL for clients that speak plain HTTP through it."""
        return f"http://127.0.0.1:{self.port}"

    def set(self, *, up: Fault | None = None, down: Fault | None = None) -> None:
        """Both directions anew; None is unharmed."""
        self.faults = {"up": up or Fault(), "down": down or Fault()}

    def cut(self) -> None:
        """Resets every open connection."""
        self._run(self._reset())

    @contextlib.contextmanager
    def running(self) -> Iterator[FaultProxy]:
        """Passes bytes while the block runs."""
        thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        thread.start()
        server = self._run(asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024))
        self.port: int = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self._run(self._end())
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        ends = [writer]
        work: list[asyncio.Task[None]] = []
        self._open.add(writer)
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
            ends.append(far_writer)
            self._open.add(far_writer)
            work = [*self._pass("up", reader, far_writer), *self._pass("down", far_reader, writer)]
            await asyncio.gather(*work)
        except ConnectionResetError:
            _linger(*ends)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            for task in work:
                task.cancel()
            self._open.difference_update(ends)
            for end in ends:
                end.transport.abort()

    def _pass(
        self, direction: Direction, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> Iterator[asyncio.Task[None]]:
        line: Line = asyncio.Queue(64)
        yield asyncio.create_task(self._take(direction, reader, line))
        yield asyncio.create_task(self._hand_over(direction, line, writer))

    async def _take(self, direction: Direction, reader: asyncio.StreamReader, line: Line) -> None:
        data = b"-"
        while data:
            data = await reader.read(_PIECE)
            await line.put((time.monotonic() + self.faults[direction].latency, data))

    async def _hand_over(self, direction: Direction, line: Line, writer: asyncio.StreamWriter) -> None:
        passed = 0
        while True:
            due, data = await line.get()
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if not data:
                await self._obey(direction, passed)
                writer.write_eof()
                return
            while data:
                room = await self._obey(direction, passed)
                fault = self.faults[direction]
                piece = data[: min(fault.slice or _PIECE, room, fault.most_at_once)]
                data = data[len(piece) :]
                writer.write(piece)
                await writer.drain()
                passed += len(piece)
                self.passed[direction] += len(piece)
                await asyncio.sleep(fault.gap + (len(piece) / fault.bytes_per_s if fault.bytes_per_s else 0.0))

    async def _obey(self, direction: Direction, passed: int) -> int:
        """How many bytes may pass now; waits out a stall, raises where the connection has to end."""
        while True:
            fault = self.faults[direction]
            if fault.then == "pass":
                return _PIECE
            if passed < fault.after:
                return fault.after - passed
            if fault.then == "reset":
                raise ConnectionResetError
            if fault.then == "close":
                raise ConnectionAbortedError
            await asyncio.sleep(_LOOK_S)

    async def _reset(self) -> None:
        _linger(*self._open)
        for writer in tuple(self._open):
            writer.transport.abort()

    async def _end(self) -> None:
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _linger(*writers: asyncio.StreamWriter) -> None:
    """Has the kernel end these connections with RST instead of FIN."""
    for writer in writers:
        with contextlib.suppress(OSError):
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
