"""`export`: requests of the ledger as JSON lines, newest first."""

from __future__ import annotations

import base64
import sqlite3
import sys
from pathlib import Path

import click

from proxy.cli.filtering import filter_of
from proxy.cli.options import settings_of, with_options
from proxy.cli.reading import ledger
from proxy.exchange import Hop
from proxy.ledger import bodies, queries
from proxy.ledger.folder import Folder
from proxy.ledger.queries import Listed

_PAGE = 200


@click.command(short_help="Write recorded requests to standard output.")
@with_options()
@click.option("--since", help="Accepted at or after: a time such as 2026-11-21T12:00Z, a date, or an age such as 24h.")
@click.option("--until", help="Accepted before; the same forms.")
@click.option("--model", help="Part of the model's name.")
@click.option("--status", help="A status such as 200, a class such as 4xx, or none.")
@click.option("--endpoint", help="Name of an endpoint.")
@click.option("--outcome", help="How it ended, or failed for every way but ok.")
@click.option("--operation", help="One operation, or all; without it model calls only.")
@click.option("--bodies", "with_bodies", is_flag=True, help="With the stored bodies of every hop.")
def export(config: Path | None, data: str | None, with_bodies: bool, **given: str | None) -> None:
    """Write recorded requests to standard output, one JSON object a line, newest first."""
    from proxy.inspector.documents import document, encoded

    where = filter_of(given)
    output = sys.stdout.buffer
    with ledger(Folder(settings_of(config, {"data": data}).settings.data)) as conn:
        before: str | None = None
        while listed := queries.page(conn, where, before, _PAGE):
            for each in listed:
                more = {"bodies": _bodies(conn, each)} if with_bodies else {}
                output.write(encoded({**document(each), **more}) + b"\n")
            before = listed[-1].exchange.request_id
    output.flush()


def _bodies(conn: sqlite3.Connection, listed: Listed) -> dict[str, object]:
    """What is stored of each hop, as text where it is UTF-8, else in base64."""
    stored = {hop: bodies.get(conn, listed.exchange.request_id, hop) for hop in Hop}
    return {
        hop.value: {"bytes": body.size, "sha256": body.sha256, "capture": body.capture, **_content(body.read())}
        for hop, body in stored.items()
        if body is not None
    }


def _content(data: bytes) -> dict[str, object]:
    try:
        return {"text": data.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}
