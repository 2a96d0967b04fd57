"""One command for everything: sockets, data folder and children, watched until they are told to stop."""

from __future__ import annotations

import contextlib
import logging
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass

from proxy.ledger.folder import Folder
from proxy.ledger.processes import hold
from proxy.settings.addresses import bound, url
from proxy.settings.checks import refuse_loops
from proxy.settings.load import Loaded
from proxy.supervisor import family, opening
from proxy.supervisor.children import Children, Operator
from proxy.supervisor.run_file import RunFile
from proxy.supervisor.started import Started


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


def supervise(loaded: Loaded, upstream: socket.socket | None, *, started: Callable[[Started], None]) -> int:
    """Runs relays and observer until a signal comes; returns the exit code.

    `upstream` is the built-in upstream's listening socket where sample traffic is wanted. Raises SettingsError for a
    port or a folder that cannot be had, LedgerError for a ledger that cannot be used.
    """
    settings, folder, log = loaded.settings, Folder(loaded.settings.data), logging.getLogger(__name__)
    with contextlib.ExitStack() as held:
        relay = held.enter_context(opening.open_port("relay", loaded))
        inspector = held.enter_context(opening.open_port("inspector", loaded))
        ports = Ports(relay, inspector, upstream)
        refuse_loops(settings, (bound(relay), bound(inspector)))
        opening.make_ready(folder, settings)
        held.enter_context(hold(folder, "supervisor", patience=1.0))
        code = secrets.token_urlsafe(16)
        urls = opening.base_urls(settings, relay)
        addresses = {"relay": url(relay), "inspector": url(inspector)}
        run_file = RunFile(folder, {**addresses, "token_file": opening.token_file(settings, folder)})
        held.callback(run_file.remove)

        def stopping() -> None:
            ports.close()
            log.info("stopping: open requests have %g s; a second signal ends them", settings.relay.drain_seconds)

        sample = () if upstream is None else family.sample(upstream, urls)
        roles = (*family.relays(settings, relay), family.observer(inspector, code, urls), *sample)
        started(Started(urls, opening.sign_in(inspector, code), folder.path))
        children = [family.child(role, settings) for role in roles]
        return Children(children, Operator(log.warning, run_file.supervised, stopping)).run()
