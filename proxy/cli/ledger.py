"""Commands on what was recorded: `verify` and `telemetry`."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from proxy.cli.options import settings_of, with_options
from proxy.cli.reading import ledger
from proxy.ledger.folder import Folder
from proxy.observer.rewind import REWINDABLE
from proxy.observer.rewind import rewind as set_back


@click.command(short_help="Check that every request and body is recorded once.")
@with_options()
def verify(config: Path | None, **given: str | None) -> None:
    """Check the ledger: every request recorded once, every body's hash, nothing unaccounted for."""
    from proxy.ledger.verify import verify as findings_of

    folder = Folder(settings_of(config, {**given}).settings.data)
    with ledger(folder):
        findings = findings_of(folder)
    for finding in findings:
        click.echo(f"{finding.law} {finding.subject}: {finding.text}")
    click.echo(f"{len(findings)} findings" if findings else f"{folder.ledger}: all laws hold")
    sys.exit(1 if findings else 0)


@click.group()
def telemetry() -> None:
    """Act on what is exported."""


@telemetry.command(short_help="Send logs or spans again from the ledger.")
@click.option("--signal", type=click.Choice(REWINDABLE), required=True, help="What to send again.")
@click.option("--since", required=True, help="From when on: a time such as 2026-11-21T12:00Z, or an age such as 24h.")
@with_options()
def rewind(signal: str, since: str, config: Path | None, **given: str | None) -> None:
    """Send logs or spans again from the ledger; what a receiver has already is the same bytes."""
    from proxy.inspector.filters import BadParameter, view

    try:
        since_ns = view({"from": since}, time.time_ns()).where.since_ns
    except BadParameter as error:
        raise click.BadParameter(str(error), param_hint="--since") from error
    folder = Folder(settings_of(config, {**given}).settings.data)
    with ledger(folder):
        number = set_back(folder, signal, since_ns or 0)
    click.echo(f"the observer of {folder.path} sends the {signal} of {number} requests again")
