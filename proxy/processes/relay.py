"""What a relay process is made of."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Coroutine
from dataclasses import dataclass, field
from time import perf_counter
from typing import NoReturn

from msgspec import structs

from proxy.gate import Gate, Rules, allowed_hosts
from proxy.ledger.counters import Counters
from proxy.ledger.folder import Folder, usable
from proxy.ledger.processes import hold
from proxy.ledger.recorder import Recorder
from proxy.ledger.space import Space
from proxy.relay.app import Relay
from proxy.relay.finish import Finisher
from proxy.relay.probes import Probes, Readiness
from proxy.relay.routes import Routes
from proxy.relay.upstream import Client
from proxy.serving.connections import Limits
from proxy.serving.process import collect_rarely, connections, on_stop, run
from proxy.serving.pushing import pushing
from proxy.serving.server import Server, server
from proxy.settings.shape import Settings

log = logging.getLogger(__name__)

TICK_S = 0.1
"""How often late requests are looked for; a late tick is a stall of the event loop."""
STALL_MARGIN_S = 5.0
"""The relay ends a client that takes nothing itself, and knows why; the server what the relay is done with."""
STALL_S = 0.5
"""A tick so late says that the process did not run."""
FLUSH_S = 10.0
"""Longest wait for the recorder when a relay ends."""


@dataclass(frozen=True, slots=True)
class Running:
    """The parts of a relay process that its end needs."""

    relay: Relay
    readiness: Readiness
    server: Server
    counters: Counters
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    """The first signal: drain."""
    hurry: asyncio.Event = field(default_factory=asyncio.Event)
    """The second one: end what is still open at once."""


def run_relay(settings: Settings, folder: Folder, sock: socket.socket, parent: int | None) -> int:
    """Runs a relay on a listening socket until it is told to stop; returns the exit code."""
    process = f"{os.getpid():x}-{os.urandom(6).hex()}"
    with usable(folder):
        counters, held = Counters.create(folder, process), hold(folder, process)
    with held:
        space = Space(folder, settings.retention.min_free, settings.retention.reserve)
        recorder = Recorder(folder, process, counters, low=space.low)
        recorder.start()
        try:
            run(_relay(settings, folder, process, recorder, counters, sock, parent))
        finally:
            flushed = recorder.stop(FLUSH_S)
            if recorder.stuck:
                _leave(recorder)
    return 0 if flushed else 1


def _leave(recorder: Recorder) -> NoReturn:
    """Ends the process past a thread that is inside native code: the interpreter would end it there, and crash."""
    log.error("the ledger takes nothing (%s); what was not recorded is counted as lost", recorder.degraded())
    logging.shutdown()
    os._exit(1)


async def _relay(
    settings: Settings,
    folder: Folder,
    process: str,
    recorder: Recorder,
    counters: Counters,
    sock: socket.socket,
    parent: int | None,
) -> None:
    loop = asyncio.get_running_loop()
    room = connections(max(settings.relay.max_connections, settings.relay.max_requests))
    client = Client(loop, connect_timeout=settings.relay.connect_timeout)
    finisher = Finisher(
        process=process,
        salt=bytes.fromhex(folder.salt.read_text()),
        capture=settings.capture,
        read_failed=lambda: counters.add("read_errors"),
    )
    relay = Relay(
        routes=Routes(settings.endpoints, settings.upstreams),
        client=client,
        recorder=recorder,
        finish=finisher,
        limits=structs.replace(settings.relay, max_requests=min(settings.relay.max_requests, room)),
        capture=settings.capture,
        pushing=pushing,
    )
    readiness = Readiness(recorder.degraded)
    rules = Rules(
        allowed_hosts=allowed_hosts(sock.getsockname()[0], settings.relay.allowed_hosts),
        max_body=settings.relay.max_body,
        max_header_bytes=settings.relay.max_header_bytes,
        max_headers=settings.relay.max_headers,
        max_uri_bytes=settings.relay.max_uri_bytes,
    )
    listener = server(
        Gate(Probes(relay, readiness), rules=rules, refuse=relay.refuse),
        parser=settings.relay.parser,
        shared=settings.relay.workers > 1,
        limits=Limits(
            head=settings.relay.client_header_timeout,
            keep_alive=settings.relay.keep_alive_timeout,
            stall=settings.relay.client_stall_timeout + STALL_MARGIN_S,
            connections=min(settings.relay.max_connections, room),
        ),
    )
    running = Running(relay, readiness, listener, counters)
    on_stop(loop, lambda: _told(running), parent)
    collect_rarely()
    draining = _drain(running, settings.relay.prestop_seconds, settings.relay.drain_seconds)
    try:
        await beside(listener.serve(sockets=[sock]), _tick(running), draining)
    finally:
        await client.close()


async def beside(serving: Coroutine[None, None, None], *others: Coroutine[None, None, None]) -> None:
    """Runs the others for as long as the serving lasts; one of them that fails ends everything, as a group of errors.

    Without them no request has a deadline and no drain an end.
    """
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(other) for other in others]
        try:
            await serving
        finally:
            for task in tasks:
                task.cancel()


def _told(running: Running) -> None:
    if running.stop.is_set():
        running.hurry.set()
    running.stop.set()


async def _drain(running: Running, prestop_seconds: float, drain_seconds: float) -> None:
    """Lets the server end by itself, which it does when the last answer is out; breaks off what outlasts the drain."""
    await running.stop.wait()
    running.readiness.draining = True
    await _unless(running.hurry, prestop_seconds)
    running.server.stop()
    await _unless(running.hurry, drain_seconds)
    while True:
        running.relay.end_all()
        await asyncio.sleep(TICK_S)
        running.server.break_off()


async def _unless(hurry: asyncio.Event, seconds: float) -> None:
    """Waits so long, or until a second signal."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await hurry.wait()


async def _tick(running: Running) -> None:
    """After a stall, such as a suspended machine, what came meanwhile is read first: nobody was silent so long."""
    due = perf_counter() + TICK_S
    shown = 0
    stalled = False
    while True:
        await asyncio.sleep(max(0.0, due - perf_counter()))
        now = perf_counter()
        running.counters.observe("loop_stall_ms", (now - due) * 1000)
        running.counters.add("requests_open", len(running.relay.open) - shown)
        shown = len(running.relay.open)
        stalled = now - due > STALL_S and not stalled
        if not stalled:
            running.relay.end_late()
        due = now + TICK_S
