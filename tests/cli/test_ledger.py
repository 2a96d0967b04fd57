from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import pytest

from proxy.ledger import cursors
from proxy.ledger.connect import transaction, writer
from proxy.ledger.folder import Folder, prepare
from tests.cli.commands import Done, command
from tests.ledger.samples import alter, finished, rows, store


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A ledger with ten requests, five of them an hour old."""
    folder = Folder(tmp_path / "data")
    prepare(folder)
    now = time.time_ns()
    store(folder, *(finished(number) for number in range(5)), now_ns=now - 3_600_000_000_000)
    store(folder, *(finished(number) for number in range(5, 10)), now_ns=now)
    return folder


def switched_on(folder: Folder, place: int) -> None:
    """Cursors as an observer that exports has them."""
    with closing(writer(folder.ledger)) as conn, transaction(conn):
        for name in ("metrics", "logs", "spans"):
            cursors.set(conn, name, place)


def cursor(folder: Folder, name: str) -> object:
    return rows(folder, "SELECT seq FROM cursors WHERE name = ?", name)[0][0]


def test_verify_finds_nothing_in_a_sound_ledger(folder: Folder) -> None:
    done = command(folder.path.parent, "verify", "--data", str(folder.path))
    assert done == Done(0, f"{folder.ledger}: all laws hold\n", "")


def test_verify_names_what_is_wrong_and_ends_with_1(folder: Folder) -> None:
    alter(folder, "DELETE FROM journal WHERE seq = 3")
    done = command(folder.path.parent, "verify", "--data", str(folder.path))
    assert (done.code, done.err) == (1, "")
    assert done.out.splitlines()[-1].endswith("findings")


@pytest.mark.parametrize(
    ("since", "left", "count"), [("30m", 5, 5), ("2h", 0, 10), ("2025-01-01", 0, 10), ("0m", 10, 0)]
)
def test_rewind_puts_the_cursor_before_the_time(folder: Folder, since: str, left: int, count: int) -> None:
    switched_on(folder, 10)
    done = command(
        folder.path.parent, "telemetry", "rewind", "--signal", "logs", "--since", since, "--data", str(folder.path)
    )
    assert done == Done(0, f"the observer of {folder.path} sends the logs of {count} requests again\n", "")
    assert (cursor(folder, "logs"), cursor(folder, "spans")) == (left, 10)


def test_rewind_never_skips_what_is_still_to_be_sent(folder: Folder) -> None:
    switched_on(folder, 2)
    command(folder.path.parent, "telemetry", "rewind", "--signal", "spans", "--since", "1m", "--data", str(folder.path))
    assert cursor(folder, "spans") == 2


def test_rewind_of_a_signal_that_was_never_exported_says_so(folder: Folder) -> None:
    done = command(
        folder.path.parent, "telemetry", "rewind", "--signal", "logs", "--since", "1h", "--data", str(folder.path)
    )
    sentence = "anthropic-proxy: logs are not exported: set an OTLP endpoint and start the proxy first\n"
    assert done == Done(2, "", sentence)


@pytest.mark.parametrize("arguments", [("--signal", "metrics", "--since", "1h"), ("--signal", "logs", "--since", "x")])
def test_rewind_refuses_what_it_cannot_do(folder: Folder, arguments: tuple[str, ...]) -> None:
    done = command(folder.path.parent, "telemetry", "rewind", *arguments, "--data", str(folder.path))
    assert (done.code, done.out, "Traceback" in done.err) == (2, "", False)
