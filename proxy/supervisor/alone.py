"""Relays or observer by themselves: in a container of their own, or several of them on one ledger."""

from __future__ import annotations

import logging
import os
import secrets
import socket
from collections.abc import Callable

from proxy.ledger.folder import Folder
from proxy.ledger.processes import hold
from proxy.settings.addresses import bound, url
from proxy.settings.checks import refuse_loops
from proxy.settings.load import Loaded
from proxy.settings.shape import Settings
from proxy.supervisor import family, opening
from proxy.supervisor.children import Children, Operator
from proxy.supervisor.handover import HandOver
from proxy.supervisor.roles import ROLES
from proxy.supervisor.run_file import RunFile
from proxy.supervisor.started import Started


def run_alone(role: str, loaded: Loaded, *, started: Callable[[Started], None]) -> int:
    """Runs `relay` or `observer` until it is told to stop, in this process unless there are several workers; returns
    the exit code.

    Raises SettingsError for a port or a folder that cannot be had, LedgerError for a ledger that cannot be used.
    """
    settings, folder = loaded.settings, Folder(loaded.settings.data)
    room = {"relay": "relay", "observer": "inspector"}[role]
    sock = opening.open_port(room, loaded)
    refuse_loops(settings, [bound(sock)])
    opening.make_ready(folder, settings)
    if role == "observer":
        hold(folder, role).release()  # refused here, nothing is said or written of a run that will not be
    addresses = {room: url(sock)}
    code = None
    if role == "observer":
        addresses["token_file"] = opening.token_file(settings, folder)
        code = secrets.token_urlsafe(16)
    run_file = RunFile(folder, addresses)
    workers = settings.relay.workers if role == "relay" else 1
    run_file.write({role if workers == 1 else "supervisor": os.getpid()})
    relayed = opening.base_urls(settings, sock) if role == "relay" else ()
    started(Started(relayed, None if code is None else opening.sign_in(sock, code), folder.path))
    try:
        if workers > 1:
            return _workers(settings, sock, run_file)
        return ROLES[role](HandOver(settings, None, sock.detach(), code))
    finally:
        run_file.remove()


def _workers(settings: Settings, sock: socket.socket, run_file: RunFile) -> int:
    """Watches several relays; returns the exit code."""

    children = [family.child(role, settings) for role in family.relays(settings, sock)]
    return Children(children, Operator(logging.getLogger(__name__).warning, run_file.supervised, sock.close)).run()
