"""One command for everything: sockets, data folder and children, watched until they are told to stop."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from proxy.ledger.folder import Folder
from proxy.ledger.processes import hold
from proxy.settings.checks import refuse_loops
from proxy.settings.load import Loaded
from proxy.settings.shape import Settings
from proxy.supervisor import handover, listening, opening
from proxy.supervisor.children import Child, Children, Operator
from proxy.supervisor.handover import HandOver
from proxy.supervisor.run_file import RunFile
from proxy.supervisor.started import Started

OBSERVER_PATIENCE_S = 20.0
"""The observer exports what is left; a collector that is away must not hold up the end."""
RELAY_MARGIN_S = 15.0
"""Beyond the drain: breaking off what is left and storing it."""
DEMO_PATIENCE_S = 5.0

_HOME = Path(__file__).parent.parent.parent


@dataclass(frozen=True, slots=True)
class Ports:
    """The sockets of a run, listening."""

    relay: socket.socket
    inspector: socket.socket
    upstream: socket.socket | None = None
    """The built-in upstream's where sample traffic is wanted."""

    def close(self) -> None:
        """Nobody can connect any more, but for children that have a socket still."""
        for sock in (self.relay, self.inspector, self.upstream):
            if sock is not None:
                sock.close()


@dataclass(frozen=True, slots=True)
class Role:
    """One row of the table of children; what it takes over is told when it starts."""

    name: str
    patience: float
    listener: socket.socket | None = None
    sign_in_code: str | None = None
    """Given to the first process only, because it may be used once."""
    base_urls: tuple[str, ...] = ()


def supervise(loaded: Loaded, upstream: socket.socket | None, *, started: Callable[[Started], None]) -> int:
    """Runs relay and observer until a signal comes; returns the exit code.

    `upstream` is the built-in upstream's listening socket where sample traffic is wanted. Raises SettingsError for a
    port or a folder that cannot be had, LedgerError for a ledger that cannot be used.
    """
    settings, folder, log = loaded.settings, Folder(loaded.settings.data), logging.getLogger(__name__)
    with contextlib.ExitStack() as held:
        relay = held.enter_context(opening.open_port("relay", loaded))
        inspector = held.enter_context(opening.open_port("inspector", loaded))
        ports = Ports(relay, inspector, upstream)
        refuse_loops(settings, (listening.bound(relay), listening.bound(inspector)))
        opening.make_ready(folder, settings)
        held.enter_context(hold(folder, "supervisor", patience=1.0))
        code = secrets.token_urlsafe(16)
        urls = opening.base_urls(settings, relay)
        addresses = {"relay": listening.url(relay), "inspector": listening.url(inspector)}
        run_file = RunFile(folder, {**addresses, "token_file": opening.token_file(settings, folder)})
        held.callback(run_file.remove)

        def stopping() -> None:
            ports.close()
            log.info("stopping: open requests have %g s; a second signal ends them", settings.relay.drain_seconds)

        def changed(processes: dict[str, int]) -> None:
            run_file.write({"supervisor": os.getpid(), **processes})

        roles = _roles(settings, ports, code, urls)
        started(Started(urls, opening.sign_in(inspector, code), folder.path))
        return Children([_child(role, settings) for role in roles], Operator(log.warning, changed, stopping)).run()


def _roles(settings: Settings, ports: Ports, code: str, urls: tuple[str, ...]) -> Sequence[Role]:
    """In the order in which they are stopped: what the observer has to export is complete once the relay is gone."""
    drain = settings.relay.prestop_seconds + settings.relay.drain_seconds
    relay = Role("relay", drain + RELAY_MARGIN_S, ports.relay)
    observer = Role("observer", OBSERVER_PATIENCE_S, ports.inspector, sign_in_code=code, base_urls=urls)
    if ports.upstream is None:
        return relay, observer
    traffic = Role("traffic", DEMO_PATIENCE_S, base_urls=urls)
    return traffic, relay, Role("upstream", DEMO_PATIENCE_S, ports.upstream), observer


def _child(role: Role, settings: Settings) -> Child:
    def start(parent: int, starts: int) -> subprocess.Popen[bytes]:
        listener = None if role.listener is None else role.listener.fileno()
        code = None if starts else role.sign_in_code
        told, tell = os.pipe()
        try:
            # Run where the package lies, a `proxy` folder in the user's own does not hide it; in a session of its
            # own, the terminal's Ctrl-C does not reach it before its turn.
            process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", "proxy", "child", role.name, str(told)],
                stdin=subprocess.DEVNULL,
                pass_fds=[descriptor for descriptor in (told, parent, listener) if descriptor is not None],
                cwd=_HOME,
                start_new_session=True,
            )
        finally:
            os.close(told)
        handover.give(tell, HandOver(settings, parent, listener, code, role.base_urls))
        return process

    return Child(role.name, start, role.patience)
