"""Making the data folder ready, and telling whose file lies there."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from proxy.ledger import processes, schema
from proxy.ledger.connect import reader, writer
from proxy.ledger.errors import LedgerRefused
from proxy.ledger.folder import Folder, prepare, write_private
from proxy.ledger.verify import verify
from tests.ledger.samples import alter, finished, recording, rows, store


@contextmanager
def _umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def _modes(folder: Folder) -> dict[str, str]:
    paths = [folder.path, *folder.path.rglob("*")]
    return {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in paths}


def _prepared(path: Path) -> Folder:
    folder = Folder(path)
    prepare(folder)
    store(folder, *(finished(number) for number in range(30)))
    return folder


def test_only_the_owner_can_read_anything_whatever_the_umask(tmp_path: Path) -> None:
    """F14: the write-ahead log and shared memory too."""
    folder = Folder(tmp_path / "data")
    with _umask(0):
        prepare(folder)
        write_private(folder.token, b"secret")
        with recording(folder) as held:
            held.recorder.put(lambda: finished(1), 100)
            held.recorder.stop(10)
            with closing(writer(folder.ledger)), closing(reader(folder.ledger)) as conn:
                conn.execute("SELECT * FROM exchanges").fetchall()
                modes = _modes(folder)
    assert {"ledger.sqlite3-wal", "ledger.sqlite3-shm", "p1.lock", "p1.counters", "salt", "token"} < set(modes)
    assert {name for name, mode in modes.items() if mode == "0o700"} == {"data", "locks", "counters"}
    assert set(modes.values()) == {"0o700", "0o600"}


def test_files_that_others_could_read_are_closed_to_them(folder: Folder) -> None:
    folder.ledger.chmod(0o644)
    folder.path.chmod(0o755)
    prepare(folder)
    assert set(_modes(folder).values()) == {"0o700", "0o600"}


def test_preparing_again_keeps_what_is_there(tmp_path: Path) -> None:
    folder = _prepared(tmp_path / "data")
    before = rows(folder, "SELECT * FROM ledger_meta")
    assert prepare(folder) is None
    assert rows(folder, "SELECT * FROM ledger_meta") == before
    assert rows(folder, "SELECT count(*) FROM exchanges") == [(30,)]


def test_empty_file_becomes_a_ledger(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.ledger.touch()
    assert prepare(folder) is None
    assert verify(folder) == []


def test_foreign_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    """F8."""
    folder = Folder(tmp_path)
    with closing(sqlite3.connect(folder.ledger)) as conn:
        conn.execute("CREATE TABLE theirs (x)")
    before = folder.ledger.read_bytes()
    with pytest.raises(LedgerRefused, match=r"is not a ledger of anthropic-proxy: move it or choose another"):
        prepare(folder)
    assert folder.ledger.read_bytes() == before


def test_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.ledger.write_text("my notes " * 100)
    with pytest.raises(LedgerRefused, match="is not a ledger"):
        prepare(folder)
    assert folder.ledger.read_text() == "my notes " * 100


def test_newer_ledger_is_refused_and_left_alone(folder: Folder) -> None:
    """F13."""
    newer = len(schema.scripts()) + 1
    alter(folder, f"PRAGMA user_version = {newer}")
    with pytest.raises(LedgerRefused, match=rf"newer anthropic-proxy \(version {newer}, this one knows {newer - 1}\)"):
        prepare(folder)
    assert rows(folder, "PRAGMA user_version") == [(newer,)]


def test_damaged_ledger_is_set_aside_with_its_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = _prepared(tmp_path / "data")
    salt = folder.salt.read_text()
    content = folder.ledger.read_bytes()
    folder.ledger.write_bytes(b"\0" * 4096 + content[4096:])
    folder.ledger.with_name("ledger.sqlite3-wal").write_bytes(b"left over")
    aside = prepare(folder)
    assert aside is not None
    assert aside.name.startswith("ledger.sqlite3.corrupt-")
    assert aside.read_bytes()[4096:] == content[4096:]
    assert aside.with_name(aside.name + "-wal").read_bytes() == b"left over"
    assert str(aside) in caplog.text
    assert verify(folder) == []
    assert folder.salt.read_text() == salt


def test_damaged_ledger_in_use_is_refused(tmp_path: Path) -> None:
    folder = _prepared(tmp_path / "data")
    folder.ledger.write_bytes(b"\0" * 4096)
    with processes.hold(folder, "p1"), pytest.raises(LedgerRefused, match="in use: stop what still runs on it"):
        prepare(folder)
    assert folder.ledger.read_bytes() == b"\0" * 4096


def test_what_was_set_aside_is_found(folder: Folder) -> None:
    assert folder.set_aside() == []
    names = [f"{folder.ledger.name}.corrupt-20261121T000000Z{end}" for end in ("", "-wal")]
    for name in names:
        (folder.path / name).touch()
    assert [path.name for path in folder.set_aside()] == names


def test_truncated_ledger_is_set_aside(tmp_path: Path) -> None:
    folder = _prepared(tmp_path / "data")
    os.truncate(folder.ledger, folder.ledger.stat().st_size // 2 + 100)
    assert prepare(folder) is not None
    assert verify(folder) == []


@pytest.mark.parametrize("salt", [b"", b"not hex", b"\xff" * 64])
def test_a_damaged_salt_is_refused(folder: Folder, salt: bytes) -> None:
    """An empty one would let anybody test guesses at the fingerprints of callers."""
    folder.salt.write_bytes(salt)
    with pytest.raises(LedgerRefused, match="salt"):
        prepare(folder)


def test_what_is_no_ordinary_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    os.mkfifo(folder.ledger, 0o644)
    mode = folder.ledger.stat().st_mode
    with pytest.raises(LedgerRefused, match="no ordinary file"):
        prepare(folder)
    assert folder.ledger.stat().st_mode == mode


def test_a_database_with_a_foreign_version_is_refused(folder: Folder) -> None:
    alter(folder, "PRAGMA user_version = -5")
    with pytest.raises(LedgerRefused, match="not a ledger"):
        prepare(folder)


def test_unusable_folder_is_refused_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LedgerRefused, match=r"data folder .* cannot be used \(.*\): make it writable"):
        prepare(Folder(tmp_path / "file" / "data"))


def test_private_file_replaces_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "token"
    for content in (b"one", b"two"):
        write_private(path, content)
    assert path.read_bytes() == b"two"
    assert list(tmp_path.iterdir()) == [path]
