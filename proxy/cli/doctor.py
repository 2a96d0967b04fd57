"""`doctor`: is everything there that a working proxy needs, and does it answer?"""

from __future__ import annotations

import socket
import sqlite3
import ssl
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path

import click

from proxy.cli.options import settings_of, with_options
from proxy.settings.addresses import of_url
from proxy.settings.load import Loaded
from proxy.settings.otlp import Otlp
from proxy.settings.shape import Settings

PARTS = ("uvicorn", "zttp", "uvloop", "httptools", "grpcio", "genai-prices")
"""Whose version matters when something is odd."""

_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    ok: bool
    about: str
    text: str


@click.command(short_help="Say what stands in the way of a working proxy.")
@with_options()
def doctor(config: Path | None, **given: str | None) -> None:
    """Say what this installation is made of and what stands in its way; exit code 1 if something does."""
    loaded = settings_of(config, {**given})
    findings = list(examine(loaded))
    for finding in findings:
        click.echo(f"{'ok  ' if finding.ok else 'FAIL'} {finding.about:<10} {finding.text}")
    sys.exit(0 if all(finding.ok for finding in findings) else 1)


def examine(loaded: Loaded) -> Iterator[Finding]:
    """Everything there is to say, one finding at a time."""
    yield _versions()
    yield Finding(True, "settings", f"{loaded.file or 'no file'}, values given: {len(loaded.origins)}")
    yield _disk(loaded.settings)
    yield _ledger(loaded.settings.data)
    yield from _ports(loaded)
    yield from _servers(loaded.settings)


def _versions() -> Finding:
    from proxy.version import version

    parts = []
    for part in PARTS:
        try:
            parts.append(f"{part} {metadata.version(part)}")
        except metadata.PackageNotFoundError:
            parts.append(f"{part} missing")
    python = ".".join(map(str, sys.version_info[:3]))
    known = [f"anthropic-proxy {version()}", f"Python {python}", f"SQLite {sqlite3.sqlite_version}", *parts]
    return Finding(not any(part.endswith("missing") for part in parts), "versions", ", ".join(known))


def _disk(settings: Settings) -> Finding:
    """Whether there is room to record, on a disk that SQLite's log works on."""
    from proxy.ledger.folder import Folder
    from proxy.ledger.space import Space, full, network_of

    place = Folder(next(parent for parent in (settings.data, *settings.data.parents) if parent.exists()))
    space = Space(place, settings.retention.min_free, settings.retention.reserve)
    room = space.look()
    held = f", {place.reserve.stat().st_size / 1e6:.1f} MB in reserve" if place.reserve.exists() else ""
    kind = network_of(place)
    troubles = {
        f"on {kind}, where the ledger can be damaged: choose a folder on a local disk": kind is not None,
        "nothing can be recorded: make room": full(place),
        "bodies are not stored (retention.min_free): make room": space.lack(room) > 0,
    }
    trouble = next((text for text, holds in troubles.items() if holds), None)
    text = f"{settings.data}, {room.free / 1e9:.1f} GB free{held}"
    return Finding(trouble is None, "data", text if trouble is None else f"{text}; {trouble}")


def _ledger(path: Path) -> Finding:
    from proxy.cli.reading import ledger
    from proxy.ledger.errors import LedgerError
    from proxy.ledger.folder import Folder

    folder = Folder(path)
    if not folder.ledger.exists():
        return Finding(True, "ledger", "none yet, the first start makes it")
    try:
        with ledger(folder):
            return Finding(True, "ledger", f"{folder.ledger.stat().st_size / 1e6:.1f} MB")
    except LedgerError as error:
        return Finding(False, "ledger", str(error))


def _ports(loaded: Loaded) -> Iterator[Finding]:
    """Where a proxy runs its ports must answer, where none runs they must be free."""
    from proxy.ledger.folder import Folder
    from proxy.settings.errors import SettingsError
    from proxy.supervisor import opening
    from proxy.supervisor.run_file import read

    running = read(Folder(loaded.settings.data).run)
    if isinstance(processes := running.get("processes"), dict):
        yield _processes(processes, loaded.settings.relay.workers if "relay" in running else 0)
    for room in ("relay", "inspector"):
        if isinstance(running.get(room), str):
            yield _connected(room, str(running[room]), "its log says more; start it again")
            continue
        try:
            with opening.open_port(room, loaded) as sock:
                yield Finding(True, room, f"not running, {sock.getsockname()[0]} port {sock.getsockname()[1]} is free")
        except SettingsError as error:
            yield Finding(False, room, str(error))


def _processes(running: Mapping[str, int], workers: int) -> Finding:
    """A relay that ended is started again, unless it ends at once each time."""
    relays = sum(name.startswith("relay") for name in running)
    if relays < workers:
        return Finding(False, "processes", f"{relays} of {workers} relays run: the log says why the others ended")
    return Finding(True, "processes", ", ".join(f"{name} {number}" for name, number in running.items()))


def _servers(settings: Settings) -> Iterator[Finding]:
    used = {name for endpoint in settings.endpoints.values() for name in endpoint.upstreams}
    for name, upstream in settings.upstreams.items():
        if name in used:
            remedy = f"mend upstreams.{name}.url or the way there"
            yield _connected(f"upstream {name}", upstream.url, remedy)
    yield from _receivers(settings.telemetry.otlp)


def _receivers(otlp: Otlp) -> Iterator[Finding]:
    """Connections as the senders open them, with their certificates."""
    from proxy.observer.delivery.sending import trust
    from proxy.settings.certificates import refuse_unusable
    from proxy.settings.errors import SettingsError

    try:
        refuse_unusable(otlp)
    except SettingsError as error:
        yield Finding(False, "telemetry", str(error))
        return
    for signal, exporter in (("metrics", otlp.metrics), ("logs", otlp.logs), ("traces", otlp.traces)):
        if exporter is not None:
            remedy = "start the receiver, or mend OTEL_EXPORTER_OTLP_ENDPOINT and …_CERTIFICATE"
            yield _connected(signal, exporter.endpoint, remedy, partial(trust, exporter))


def _connected(
    about: str, url: str, remedy: str, trust: Callable[[], ssl.SSLContext] = ssl.create_default_context
) -> Finding:
    """Whether a connection can be opened, TLS included; nothing is asked for."""
    address = of_url(url)
    if address is None:
        return Finding(False, about, f"{url} names no host; {remedy}")
    try:
        with socket.create_connection((address.host, address.port), timeout=_TIMEOUT_S) as sock:
            if url.startswith("https://"):
                with trust().wrap_socket(sock, server_hostname=address.host):
                    pass
    except OSError as error:
        return Finding(False, about, f"{url} cannot be reached ({error.strerror or error}); {remedy}")
    return Finding(True, about, f"{url} answers")
