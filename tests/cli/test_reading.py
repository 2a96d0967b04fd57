from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from proxy.cli.reading import ledger
from proxy.ledger import queries
from proxy.ledger.errors import LedgerRefused
from proxy.ledger.filters import Filter
from proxy.ledger.folder import Folder, prepare


def test_a_prepared_ledger_can_be_read(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    prepare(folder)
    with ledger(folder) as conn:
        assert queries.page(conn, Filter()) == []


def test_a_missing_ledger_is_one_sentence_and_none_is_made(tmp_path: Path) -> None:
    with pytest.raises(LedgerRefused) as raised, ledger(Folder(tmp_path)):
        pass
    assert str(raised.value) == (
        f"there is no ledger in {tmp_path}: name the folder that a proxy writes to with --data"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"somebody's notes", "database"])
def test_a_file_that_is_no_ledger_is_one_sentence(tmp_path: Path, content: bytes | str) -> None:
    folder = Folder(tmp_path)
    if isinstance(content, bytes):
        folder.ledger.write_bytes(content)
    else:
        conn = sqlite3.connect(folder.ledger)
        conn.execute("CREATE TABLE notes (text TEXT)")
        conn.close()
    with pytest.raises(LedgerRefused, match=f"^the ledger {folder.ledger} cannot be read"), ledger(folder):
        pass


def test_a_newer_ledger_is_one_sentence(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    prepare(folder)
    conn = sqlite3.connect(folder.ledger)
    conn.execute("PRAGMA user_version = 99")
    conn.close()
    with pytest.raises(LedgerRefused, match="was written by a newer version: update"), ledger(folder):
        pass
