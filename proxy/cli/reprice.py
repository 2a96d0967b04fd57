"""`reprice`: line items of the installed price table for what is recorded."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from proxy.cli.filtering import filter_of
from proxy.cli.options import settings_of, with_options
from proxy.cli.reading import ledger
from proxy.ledger.folder import Folder


@click.command(short_help="Price recorded requests by the installed prices.")
@with_options()
@click.option("--model", help="Part of the model's name.")
@click.option("--since", help="Accepted at or after: a time such as 2026-11-21T12:00Z, a date, or an age such as 24h.")
@click.option("--until", help="Accepted before; the same forms.")
def reprice(config: Path | None, data: str | None, **given: str | None) -> None:
    """Price recorded requests by the installed price table; earlier prices are kept beside, a proxy may run meanwhile.
    Pages and API show the new price. What was exported is not sent again, and totals keep what was counted.
    """
    from proxy.ledger.queries import totals_of
    from proxy.observer.repricing import reprice as price_again

    where = filter_of({**given, "operation": "all"})
    folder = Folder(settings_of(config, {"data": data}).settings.data)
    with ledger(folder, current=True) as conn:
        length = totals_of(conn, where).requests
    hidden = not sys.stderr.isatty()
    with click.progressbar(length=length, label="pricing", file=sys.stderr, hidden=hidden) as bar:
        done = price_again(folder, where, bar.update)
    click.echo(f"prices of {done.price_version}")
    click.echo(f"priced anew: {done.changed}, priced as before: {done.unchanged}, without a price: {done.unknown}")
    if done.waiting:
        click.echo(f"requests that the observer is about to price itself: {done.waiting}")
