"""Filters, cursors and page sizes of the request log: a view that can be run, or one sentence that says why not."""

from __future__ import annotations

import sqlite3
import tempfile
from functools import cache
from pathlib import Path
from urllib.parse import parse_qsl

from proxy.inspector.filters import DESCRIPTIONS, BadParameter, View, view
from proxy.ledger.connect import reader
from proxy.ledger.folder import Folder, prepare
from proxy.ledger.queries import newer, page, totals_of
from tests.ledger.samples import START_NS, finished, store

TOKENS = (
    *(name.encode() + b"=" for name in (*DESCRIPTIONS, "before", "after", "limit")),
    b"&",
    b"%",
    b"_",
    b"'",
    b'"',
    b"--",
    b";",
    b"*",
    b"\\",
    b"%00",
    b"%25",
    b"px_00000000000000000000000001",
    b"2026-01-01",
    b"2026-01-01T00:00:00Z",
    b"24h",
    b"99999d",
    b"4xx",
    b"none",
    b"200",
    b"ok",
    b"open",
    b"failed",
    b"all",
    b"messages",
    b"claude",
    b"999999999999999999999",
    b"-1",
    b"+",
    b" OR 1=1",
    b"%F0%9F%98%80",
    b"%ED%A0%80",
)


@cache
def _ledger() -> sqlite3.Connection:
    folder = Folder(Path(tempfile.mkdtemp()) / "data")
    prepare(folder)
    store(folder, *[finished(number) for number in range(1, 40)])
    return reader(folder.ledger)


def check(data: bytes) -> None:
    """The input is a query string."""
    parameters = dict(parse_qsl(data.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=None))
    wanted = _view(parameters)
    if isinstance(wanted, str):
        assert wanted.isprintable()
        assert len(wanted) < 1_000
        return
    assert 1 <= wanted.limit <= 1_000
    conn = _ledger()
    rows = page(conn, wanted.where, wanted.before, wanted.limit)
    assert len(rows) <= wanted.limit
    newer(conn, wanted.where, wanted.after or "", 5)
    totals_of(conn, wanted.where)
    wanted.address("/requests")


def _view(parameters: dict[str, str]) -> View | str:
    """The view, or why there is none."""
    try:
        return view(parameters, START_NS)
    except BadParameter as error:
        return str(error)
