"""What the observer process is made of: projections and exports in threads, the inspector on an event loop."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from collections.abc import Mapping
from urllib.parse import urlsplit

from proxy.gate import Gate, Receive, Rejection, Rules, Scope, Send, allowed_hosts
from proxy.inspector.app import MAX_POST_BYTES, application
from proxy.inspector.tokens import api_token
from proxy.ledger.counters import Counters
from proxy.ledger.folder import Folder, usable
from proxy.ledger.processes import hold
from proxy.observer.loop import Observer
from proxy.observer.terminal import printer
from proxy.serving.connections import Limits
from proxy.serving.process import collect_rarely, on_stop, run
from proxy.serving.server import server
from proxy.settings.addresses import url
from proxy.settings.shape import Settings

FORM_S = 30.0
"""How long a form may take to arrive."""
LAST_PAGES_S = 2.0
"""How long pages under way may take once the process was told to stop."""
NICE = 5
"""On a full machine relays go first; the observer then falls behind, and catches up."""


def run_observer(
    settings: Settings,
    folder: Folder,
    sock: socket.socket,
    parent: int | None,
    *,
    sign_in_code: str | None,
    base_urls: tuple[str, ...] = (),
) -> int:
    """Runs the one observer of a ledger, with the inspector on a listening socket, until it is told to stop.

    `base_urls`: what clients set as ANTHROPIC_BASE_URL, where the relay's address is known. Returns the exit code.
    Raises LedgerRefused when the ledger has an observer already.
    """
    os.nice(NICE)
    process = f"observer-{os.getpid():x}-{os.urandom(6).hex()}"
    with usable(folder):
        counters, held = Counters.create(folder, process), hold(folder, process)
    pages = f"{url(sock)}/requests/"
    with held:
        observer = Observer(
            folder,
            settings.telemetry.otlp,
            settings.retention,
            {name: endpoint.organization for name, endpoint in settings.endpoints.items()},
            main_account=settings.telemetry.main_account,
            max_series=settings.telemetry.max_series,
            metric_interval_s=settings.telemetry.metric_interval,
            pages=pages,
        )
        text, color = settings.log.is_text(sys.stdout), settings.log.is_colored(sys.stdout)
        observer.listen(printer(sys.stdout, on_terminal=text, color=color))
        collect_rarely()
        observer.start()
        try:
            run(_inspector(settings, folder, sock, parent, observer, counters, sign_in_code, base_urls))
        finally:
            observer.stop()
    return 0


async def _inspector(
    settings: Settings,
    folder: Folder,
    sock: socket.socket,
    parent: int | None,
    observer: Observer,
    counters: Counters,
    sign_in_code: str | None,
    base_urls: tuple[str, ...],
) -> None:
    token_file = settings.inspector.token_file or folder.token
    app = application(
        folder=folder,
        base_urls=_by_endpoint(settings, base_urls),
        token=api_token(token_file, create=settings.inspector.token_file is None),
        token_file=token_file,
        sign_in_code=sign_in_code,
        metrics=observer.metrics_page,
        metrics_open=settings.inspector.metrics == "open",
        degraded=observer.degraded,
        count_auth_failure=lambda: counters.add("auth_failures"),
    )
    rules = Rules(
        allowed_hosts=allowed_hosts(sock.getsockname()[0], settings.inspector.allowed_hosts),
        max_body=MAX_POST_BYTES,
        links=True,
    )
    listener = server(Gate(app, rules=rules, refuse=_refuse), parser=settings.relay.parser, limits=Limits(body=FORM_S))
    loop = asyncio.get_running_loop()

    def stop() -> None:
        listener.stop()
        loop.call_later(LAST_PAGES_S, listener.break_off)

    on_stop(loop, stop, parent)
    await listener.serve(sockets=[sock])


def _by_endpoint(settings: Settings, base_urls: tuple[str, ...]) -> Mapping[str, str]:
    """The base URL of each endpoint; the settings' own address where no other is known."""
    relay = urlsplit(base_urls[0]) if base_urls else urlsplit(f"http://{settings.relay.listen}")
    return {name: f"{relay.scheme}://{relay.netloc}{endpoint.path}" for name, endpoint in settings.endpoints.items()}


async def _refuse(scope: Scope, receive: Receive, send: Send, rejection: Rejection) -> None:
    """What the gate says, as JSON; the connection is not used again."""
    body = json.dumps({"error": {"type": rejection.error_type, "message": rejection.message}}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": rejection.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
