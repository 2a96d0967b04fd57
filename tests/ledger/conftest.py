"""A new ledger for each test."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from proxy.ledger.connect import reader, writer
from proxy.ledger.folder import Folder, prepare


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A prepared data folder."""
    folder = Folder(tmp_path / "data")
    prepare(folder)
    return folder


@pytest.fixture
def conn(folder: Folder) -> Iterator[sqlite3.Connection]:
    """A writing connection to it."""
    with closing(writer(folder.ledger)) as conn:
        yield conn


@pytest.fixture
def read(folder: Folder) -> Iterator[sqlite3.Connection]:
    """A reading connection to it."""
    with closing(reader(folder.ledger)) as conn:
        yield conn
