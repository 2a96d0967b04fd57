"""`purge` as it is typed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from proxy.ledger.changes import Opened
from proxy.ledger.folder import Folder, prepare
from proxy.ledger.processes import hold
from tests.cli.commands import Done, command
from tests.kit.conditions import MEGABYTE, filled, tmpfs
from tests.ledger.samples import alter, finished, opened, request_id, rows, store

WHEN = "from 2025-10-09T08:53:20Z to 2025-10-09T08:53:29Z"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A ledger with ten requests."""
    folder = Folder(tmp_path / "data")
    prepare(folder)
    store(folder, *(finished(number) for number in range(10)))
    return folder


def purge(folder: Folder, *options: str) -> Done:
    return command(folder.path.parent, "purge", "--data", str(folder.path), *options)


def left(folder: Folder) -> object:
    return rows(folder, "SELECT count(*) FROM exchanges")[0][0]


def test_without_yes_it_only_says_what_it_would_do(folder: Folder) -> None:
    done = purge(folder, "--all")
    assert done == Done(0, f"requests that match: 10, {WHEN}\nnothing was removed: add --yes to do it\n", "")
    assert left(folder) == 10


def test_chosen_requests_are_removed(folder: Folder) -> None:
    done = purge(folder, "--request", request_id(1), "--request", "req_2", "--yes")
    assert (done.code, done.err) == (0, "")
    assert done.out.endswith(f"requests removed from {folder.ledger}: 2\n")
    assert left(folder) == 8
    assert purge(folder, "--session", "session", "--model", "SONNET", "--since", "2025-10-09", "--yes").code == 0
    assert left(folder) == 0


def test_nothing_to_remove_is_no_failure(folder: Folder) -> None:
    said = f"no request matches\nrequests removed from {folder.ledger}: 0\n"
    assert purge(folder, "--key", "nobody", "--yes") == Done(0, said, "")


def test_everything_includes_what_was_set_aside(folder: Folder) -> None:
    aside = folder.path / "ledger.sqlite3.corrupt-20261121T000000Z"
    aside.write_bytes(b"secret")
    done = purge(folder, "--all", "--yes")
    assert (done.code, left(folder)) == (0, 0)
    assert f"{aside.name} goes too" in done.out
    assert not aside.exists()


def test_what_has_to_stay_is_said_and_ends_with_1(folder: Folder) -> None:
    with hold(folder, "p1"):
        store(folder, Opened(opened(20)))
        done = purge(folder, "--all", "--yes")
    assert (done.code, left(folder)) == (1, 1)
    assert "still open, these stay: 1" in done.out


def test_a_trace_that_has_to_stay_is_said_and_ends_with_1(folder: Folder) -> None:
    with tmpfs(folder.path.parent / "small", 16) as disk:
        small = Folder(disk)
        prepare(small)
        store(small, *(finished(number, content=os.urandom(250_000)) for number in range(10)))
        with filled(disk, leave=3 * MEGABYTE):
            done = purge(small, "--request", request_id(3), "--yes")
    assert (done.code, done.err.count("\n")) == (1, 1)
    assert done.err.startswith("anthropic-proxy: bytes of them may still be in it: to rewrite it, about ")


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        ((), "say which requests"),
        (("--yes",), "say which requests"),
        (("--all", "--model", "opus"), "leave it out, or the other choices"),
        (("--since", "soon"), "such as 24h"),
    ],
)
def test_without_a_clear_choice_nothing_happens(folder: Folder, options: tuple[str, ...], remedy: str) -> None:
    done = purge(folder, *options)
    assert (done.code, done.out) == (2, "")
    assert remedy in done.err
    assert left(folder) == 10


def test_a_ledger_that_cannot_be_changed_is_refused_in_a_sentence(folder: Folder, tmp_path: Path) -> None:
    assert purge(Folder(tmp_path / "none"), "--all").code == 2
    alter(folder, "PRAGMA user_version = 0")
    done = purge(folder, "--all", "--yes")
    assert (done.code, done.out) == (2, "")
    assert (
        done.err
        == f"anthropic-proxy: the ledger {folder.ledger} was written by an older version: start the proxy once\n"
    )
