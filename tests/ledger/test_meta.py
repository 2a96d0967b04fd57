"""Facts about the ledger itself."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from proxy.ledger import meta
from proxy.ledger.connect import reader
from proxy.ledger.folder import Folder, prepare


def test_each_ledger_has_an_identity_of_its_own(tmp_path: Path) -> None:
    seen = set()
    for name in ("a", "b"):
        folder = Folder(tmp_path / name)
        prepare(folder)
        with closing(reader(folder.ledger)) as conn:
            seen |= {meta.instance_id(conn), folder.salt.read_text()}
    assert len(seen) == 4


def test_note_is_what_was_last_written(conn: sqlite3.Connection) -> None:
    assert meta.get(conn, "note") is None
    meta.put(conn, "note", "1")
    meta.put(conn, "note", "2")
    assert meta.get(conn, "note") == "2"
