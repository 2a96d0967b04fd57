"""The table of children: who they are, what each takes over when it starts, and when its turn comes to end."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from proxy.settings.shape import Settings
from proxy.supervisor import handover
from proxy.supervisor.children import Child
from proxy.supervisor.handover import HandOver

OBSERVER_PATIENCE_S = 20.0
"""The observer exports what is left; a collector that is away must not hold up the end."""
RELAY_MARGIN_S = 15.0
"""Beyond the drain: breaking off what is left and storing it."""
DEMO_PATIENCE_S = 5.0

_ASKING, _RELAYING, _ANSWERING, _OBSERVING = range(4)
"""The turns: what the observer has to export is complete once the relays are gone."""

_HOME = Path(__file__).parent.parent.parent


@dataclass(frozen=True, slots=True)
class Role:
    """One row of the table of children; what it takes over is told when it starts."""

    name: str
    role: str
    """What it does, a key of `ROLES`."""
    patience: float
    turn: int
    listener: socket.socket | None = None
    sign_in_code: str | None = None
    """Given to the first process only, because it may be used once."""
    base_urls: tuple[str, ...] = ()


def relays(settings: Settings, sock: socket.socket) -> Sequence[Role]:
    """`relay`, or `relay-1`… where there are several: all take connections from one socket."""
    patience = settings.relay.prestop_seconds + settings.relay.drain_seconds + RELAY_MARGIN_S
    count = settings.relay.workers
    names = ["relay"] if count == 1 else [f"relay-{number}" for number in range(1, count + 1)]
    return [Role(name, "relay", patience, _RELAYING, sock) for name in names]


def observer(sock: socket.socket, sign_in_code: str, base_urls: tuple[str, ...]) -> Role:
    """The one observer, however many relays there are."""
    return Role("observer", "observer", OBSERVER_PATIENCE_S, _OBSERVING, sock, sign_in_code, base_urls)


def sample(upstream: socket.socket, base_urls: tuple[str, ...]) -> Sequence[Role]:
    """The built-in upstream and its clients."""
    return [
        Role("traffic", "traffic", DEMO_PATIENCE_S, _ASKING, base_urls=base_urls),
        Role("upstream", "upstream", DEMO_PATIENCE_S, _ANSWERING, upstream),
    ]


def child(role: Role, settings: Settings) -> Child:
    """How a role is started and stopped."""

    def start(parent: int, starts: int) -> subprocess.Popen[bytes]:
        listener = None if role.listener is None else role.listener.fileno()
        code = None if starts else role.sign_in_code
        told, tell = os.pipe()
        try:
            # Run where the package lies, a `proxy` folder in the user's own does not hide it; in a session of its
            # own, the terminal's Ctrl-C does not reach it before its turn.
            process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", "proxy", "child", role.role, str(told)],
                stdin=subprocess.DEVNULL,
                pass_fds=[descriptor for descriptor in (told, parent, listener) if descriptor is not None],
                cwd=_HOME,
                start_new_session=True,
            )
        except BaseException:
            os.close(tell)
            raise
        finally:
            os.close(told)
        handover.give(tell, HandOver(settings, parent, listener, code, role.base_urls))
        return process

    return Child(role.name, start, role.patience, role.turn)
