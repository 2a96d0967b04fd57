"""How long a connection may take for a request's head, how long nothing may move, how many connections there may be.

uvicorn calls the application only once the headers are complete and knows no deadline before or after it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from proxy.settings.shape import Relay

LOOK_S = 0.5
"""Time between two looks at all connections, and how much early a deadline may be."""
STALL_S = 2.0
"""Time without a look that says that this process did not run: what came meanwhile is still unread."""
_USUAL = Relay()
"""What a port without such settings of its own allows, too."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one port allows its clients; times in seconds."""

    head: float = _USUAL.client_header_timeout
    """From connecting, or from the first byte of a further request, until its headers are complete."""
    keep_alive: float = _USUAL.keep_alive_timeout
    """Between two requests."""
    body: float | None = None
    """For a whole request body; None where the application sees to that."""
    stall: float = _USUAL.client_stall_timeout
    """Without taking a byte of what is to be sent."""
    connections: int = _USUAL.max_connections
    """Beyond these, connections without a request under way are closed, the longest idle first."""


class Cycle(Protocol):
    """A request and its answer, as both of uvicorn's protocols keep them."""

    more_body: bool
    response_started: bool
    response_complete: bool
    disconnected: bool
    message_event: asyncio.Event


class Flow(Protocol):
    """uvicorn's flow control."""

    write_paused: bool


class Connection(Protocol):
    """What the protocols for both parsers have in common."""

    @property
    def opened(self) -> float: ...
    @property
    def transport(self) -> asyncio.Transport: ...
    @property
    def flow(self) -> Flow: ...
    @property
    def cycle(self) -> Cycle | None: ...
    @property
    def timeout_keep_alive_task(self) -> asyncio.TimerHandle | None: ...


class Phase(Enum):
    """What a connection waits for."""

    HEAD = auto()
    BODY = auto()
    ANSWER = auto()
    STALLED = auto()
    IDLE = auto()
    CLOSING = auto()


def phase(connection: Connection) -> Phase:
    """What it waits for now."""
    cycle = connection.cycle
    if connection.transport.is_closing():
        return Phase.CLOSING
    if cycle is not None and not cycle.response_complete:
        if connection.flow.write_paused:
            return Phase.STALLED
        return Phase.BODY if cycle.more_body else Phase.ANSWER
    return Phase.HEAD if connection.timeout_keep_alive_task is None else Phase.IDLE


@dataclass(frozen=True, slots=True)
class _Since:
    """Where a connection stands, and since when at the earliest."""

    phase: Phase
    cycle: Cycle | None
    buffered: int
    time: float


class Watch:
    """Looks at all connections of one port every now and then, so that a request costs nothing."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._since: Mapping[Connection, _Since] = {}
        self._looked = float("-inf")

    def look(self, connections: Collection[Connection], now: float) -> None:
        """Ends what has waited too long, and the longest idle of what is too many."""
        if now - self._looked >= LOOK_S:
            before = max(self._looked, now - LOOK_S)
            if now - self._looked >= STALL_S:
                self._since = {}
            self._since = {connection: self._standing(connection, before) for connection in connections}
            self._looked = now
            for connection, since in self._since.items():
                self._end_if_late(connection, since, now)
        if len(connections) > self._limits.connections:
            self._make_room(connections, len(connections) - self._limits.connections)

    def _standing(self, connection: Connection, before: float) -> _Since:
        stands = phase(connection)
        buffered = connection.transport.get_write_buffer_size() if stands is Phase.STALLED else 0
        known = self._since.get(connection)
        if known and (known.phase, known.cycle, known.buffered) == (stands, connection.cycle, buffered):
            return known
        return _Since(stands, connection.cycle, buffered, before)

    def _end_if_late(self, connection: Connection, since: _Since, now: float) -> None:
        limits = self._limits
        match since.phase:
            case Phase.HEAD:
                allowed = limits.head
            case Phase.BODY if limits.body is not None:
                allowed = limits.body
            case Phase.STALLED | Phase.CLOSING:
                allowed = limits.stall
            case _:
                return
        if now - since.time >= allowed:
            connection.transport.abort()

    def _make_room(self, connections: Iterable[Connection], excess: int) -> None:
        idle = [each for each in connections if phase(each) in (Phase.IDLE, Phase.HEAD)]
        idle.sort(key=lambda each: (self._since[each].time if each in self._since else each.opened, each.opened))
        for connection in idle[:excess]:
            connection.transport.abort()
