"""`purge`: removes requests from the ledger, and every trace of them from its files."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from proxy.cli.filtering import filter_of
from proxy.cli.options import settings_of, with_options
from proxy.cli.reading import ledger
from proxy.ledger.filters import Filter
from proxy.ledger.folder import Folder
from proxy.ledger.purge import Chosen, choose
from proxy.ledger.purge import purge as remove


@click.command(short_help="Remove requests and every trace of them.")
@with_options()
@click.option("--request", "requests", multiple=True, metavar="ID", help="One request, by any of its ids; repeatable.")
@click.option("--session", help="All requests of a session.")
@click.option("--key", help="All requests of a key, or of a caller's fingerprint.")
@click.option("--model", help="Part of the model's name.")
@click.option("--since", help="Accepted at or after: a time such as 2026-11-21T12:00Z, a date, or an age such as 24h.")
@click.option("--until", help="Accepted before; the same forms.")
@click.option("--all", "everything", is_flag=True, help="Every request, and ledgers that were set aside as damaged.")
@click.option("--yes", is_flag=True, help="Do it; without this the command only says what it would remove.")
def purge(
    config: Path | None, data: str | None, requests: tuple[str, ...], everything: bool, yes: bool, **given: str | None
) -> None:
    """Remove requests from the ledger, and every trace of them from its files; a proxy may run meanwhile.
    Totals stay, and what was exported is not touched. Exit code 1 if a request is still open, or a trace had to stay.
    """
    wheres = _wheres(requests, everything, given)
    folder = Folder(settings_of(config, {"data": data}).settings.data)
    with ledger(folder, current=True) as conn:
        chosen = choose(conn, wheres)
    aside = folder.set_aside() if everything else []
    click.echo(_said(chosen, aside))
    if not yes:
        if chosen.finished or aside:
            click.echo("nothing was removed: add --yes to do it")
        return
    hidden = not sys.stderr.isatty()
    with click.progressbar(length=chosen.finished, label="removing", file=sys.stderr, hidden=hidden) as bar:
        done = remove(folder, wheres, bar.update)
    for path in aside:
        path.unlink(missing_ok=True)
    click.echo(f"requests removed from {folder.ledger}: {done.removed}")
    if done.obstacle is not None:
        click.echo(f"anthropic-proxy: bytes of them may still be in it: {done.obstacle}; then run this again", err=True)
    sys.exit(1 if chosen.open or done.obstacle else 0)


def _wheres(requests: tuple[str, ...], everything: bool, given: dict[str, str | None]) -> list[Filter]:
    narrowed = bool(requests) or any(value is not None for value in given.values())
    if narrowed and everything:
        raise click.UsageError("--all takes every request: leave it out, or the other choices")
    if not narrowed and not everything:
        raise click.UsageError("say which requests: --request, --session, --key, --model, --since, --until, or --all")
    ids = requests or (None,)
    return [filter_of({**given, "request": each, "operation": "all"}) for each in dict.fromkeys(ids)]


def _said(chosen: Chosen, aside: list[Path]) -> str:
    if chosen.first_ns is None or chosen.last_ns is None:
        said = "no request matches"
    else:
        said = f"requests that match: {chosen.finished}, from {_time(chosen.first_ns)} to {_time(chosen.last_ns)}"
    more = [f"still open, these stay: {chosen.open}"] if chosen.open else []
    more += [f"{path.name} goes too" for path in aside]
    return "; ".join([said, *more])


def _time(nanoseconds: int) -> str:
    return datetime.fromtimestamp(nanoseconds // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
