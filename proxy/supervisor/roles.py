"""What a child of the supervisor does, by role. Each imports its part only when it is asked for."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import socket
import threading
import time
from collections.abc import Callable

from proxy.supervisor.handover import HandOver


def relay(told: HandOver) -> int:
    """Moves bytes and writes the ledger."""
    from proxy.ledger.folder import Folder
    from proxy.processes.relay import run_relay

    return run_relay(told.settings, Folder(told.settings.data), _listener(told), told.parent)


def observer(told: HandOver) -> int:
    """Reads the ledger, exports signals, serves the inspector."""
    from proxy.ledger.folder import Folder
    from proxy.processes.observer import run_observer

    folder = Folder(told.settings.data)
    return run_observer(
        told.settings,
        folder,
        _listener(told),
        told.parent,
        sign_in_code=told.sign_in_code,
        base_urls=told.base_urls,
    )


def upstream(told: HandOver) -> int:
    """The built-in upstream of the demo."""
    from proxy.demo.server import run

    _end_with_parent(told.parent)
    run(_listener(told))
    return 0


def traffic(told: HandOver) -> int:
    """The sample traffic of the demo."""
    from proxy.demo.traffic import play

    _end_with_parent(told.parent)

    async def until_told() -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        await play(told.base_urls, seed=time.time_ns(), sessions=None, pace=0.5, stop=stop)

    asyncio.run(until_told())
    return 0


ROLES: dict[str, Callable[[HandOver], int]] = {
    "relay": relay,
    "observer": observer,
    "upstream": upstream,
    "traffic": traffic,
}


def _listener(told: HandOver) -> socket.socket:
    if told.listener is None:
        raise ValueError("this role serves, but no socket was handed over")
    return socket.socket(fileno=told.listener)


def _end_with_parent(parent: int | None) -> None:
    """Ends this process when the supervisor is gone: the other end of the pipe closes with it."""

    if parent is None:
        return

    def watch() -> None:
        # Waiting must not be the read's: a sibling may have made the pipe they share non-blocking.
        select.select([parent], [], [])
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()
