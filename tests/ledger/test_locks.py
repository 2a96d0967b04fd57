"""Lock files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from proxy.ledger.locks import taken, try_lock


def test_lock_is_taken_once_and_free_after(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    first = try_lock(path, create=True)
    assert first is not None
    assert try_lock(path) is None
    assert taken(path)
    os.close(first)
    assert not taken(path)


def test_missing_lock_is_not_taken(tmp_path: Path) -> None:
    assert try_lock(tmp_path / "a.lock") is None
    assert not taken(tmp_path / "a.lock")


def test_missing_folder_is_an_error_when_creating(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        try_lock(tmp_path / "nowhere" / "a.lock", create=True)
