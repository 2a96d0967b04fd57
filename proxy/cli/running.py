"""Commands that run until they are stopped: `serve`, `relay`, `observe`, `demo`, and the children of a supervisor."""

from __future__ import annotations

import logging
import os
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable
from pathlib import Path

import click

from proxy.cli.console import banner, set_up_logging
from proxy.cli.options import Option, inspector_options, log_option, relay_options, settings_of, with_options
from proxy.settings.load import Loaded
from proxy.settings.shape import Log
from proxy.supervisor.started import Started

open_option: Option = click.option("-o", "--open", "open_page", is_flag=True, help="Open the inspector in a browser.")


@click.command()
@with_options(*relay_options, *inspector_options, open_option, log_option)
def serve(config: Path | None, open_page: bool, **given: str | int | None) -> None:
    """Relay, record and show: everything in one go (the default)."""
    _supervise(settings_of(config, given), None, open_page)


@click.command()
@with_options(*relay_options, log_option)
def relay(config: Path | None, **given: str | int | None) -> None:
    """Relay alone, without exports and pages."""
    _alone("relay", settings_of(config, given))


@click.command()
@with_options(*inspector_options, log_option)
def observe(config: Path | None, **given: str | int | None) -> None:
    """Export telemetry and serve the inspector, without relaying."""
    _alone("observer", settings_of(config, given))


@click.command(short_help="Everything against a built-in upstream, no key needed.")
@with_options(*relay_options[:3], *inspector_options, open_option, log_option)
def demo(config: Path | None, open_page: bool, **given: str | int | None) -> None:
    """Everything against a built-in upstream with sample traffic: no key, no network, a data folder of its own."""
    from proxy.cli.sample import demo_settings
    from proxy.settings.addresses import url

    upstream = socket.create_server(("127.0.0.1", 0))
    loaded = demo_settings(settings_of(config or Path(os.devnull), given), url(upstream), own_data=bool(given["data"]))
    _supervise(loaded, upstream, open_page)


@click.command(hidden=True)
@click.argument("role")
@click.argument("told", type=int)
def child(role: str, told: int) -> None:
    """One process of a supervisor, which says on the descriptor TOLD what to do."""
    from proxy.ledger.errors import LedgerError
    from proxy.supervisor.handover import take
    from proxy.supervisor.roles import ROLES

    work = take(told)
    set_up_logging(work.settings.log)
    try:
        sys.exit(ROLES[role](work))
    except LedgerError as error:
        logging.getLogger(__name__).error("%s cannot begin: %s", role, error)
        sys.exit(2)


def _supervise(loaded: Loaded, upstream: socket.socket | None, open_page: bool) -> None:
    from proxy.supervisor.supervise import supervise

    set_up_logging(loaded.settings.log)
    sys.exit(supervise(loaded, upstream, started=_announce(loaded.settings.log, open_page)))


def _alone(role: str, loaded: Loaded) -> None:
    from proxy.supervisor.alone import run_alone

    set_up_logging(loaded.settings.log)
    sys.exit(run_alone(role, loaded, started=_announce(loaded.settings.log, open_page=False)))


def _announce(log: Log, open_page: bool) -> Callable[[Started], None]:
    def announce(started: Started) -> None:
        click.echo(banner(started, log))
        if open_page and started.sign_in is not None:
            threading.Thread(target=webbrowser.open, args=(started.sign_in,), daemon=True).start()

    return announce
