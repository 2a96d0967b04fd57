"""Relay or observer as the only process: in a container of its own, or several relays on one ledger."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable

from proxy.ledger.folder import Folder
from proxy.ledger.processes import hold
from proxy.settings.checks import refuse_loops
from proxy.settings.load import Loaded
from proxy.supervisor import listening, opening
from proxy.supervisor.handover import HandOver
from proxy.supervisor.roles import ROLES
from proxy.supervisor.run_file import RunFile
from proxy.supervisor.started import Started


def run_alone(role: str, loaded: Loaded, *, started: Callable[[Started], None]) -> int:
    """Runs `relay` or `observer` in this process until it is told to stop; returns the exit code.

    Raises SettingsError for a port or a folder that cannot be had, LedgerError for a ledger that cannot be used.
    """
    settings, folder = loaded.settings, Folder(loaded.settings.data)
    room = {"relay": "relay", "observer": "inspector"}[role]
    sock = opening.open_port(room, loaded)
    refuse_loops(settings, [listening.bound(sock)])
    opening.make_ready(folder, settings)
    if role == "observer":
        hold(folder, role).release()  # refused here, nothing is said or written of a run that will not be
    addresses = {room: listening.url(sock)}
    code = None
    if role == "observer":
        addresses["token_file"] = opening.token_file(settings, folder)
        code = secrets.token_urlsafe(16)
    run_file = RunFile(folder, addresses, alone=True)
    run_file.write({role: os.getpid()})
    relayed = opening.base_urls(settings, sock) if role == "relay" else ()
    started(Started(relayed, None if code is None else opening.sign_in(sock, code), folder.path))
    try:
        return ROLES[role](HandOver(settings, None, sock.detach(), code))
    finally:
        run_file.remove()
