from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from proxy.ledger.folder import Folder
from proxy.supervisor.run_file import RunFile, read


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    found = Folder(tmp_path)
    found.locks.mkdir()
    return found


def test_a_run_replaces_what_an_earlier_one_left(folder: Folder) -> None:
    folder.run.write_text('{"relay": "http://old", "inspector": "http://old", "processes": {"relay": 1}}')
    run = RunFile(folder, {"relay": "http://new"})
    run.write({"supervisor": 5})
    assert json.loads(folder.run.read_text()) == {"relay": "http://new", "processes": {"supervisor": 5}}
    assert folder.run.stat().st_mode & 0o777 == 0o600
    run.remove()
    assert not folder.run.exists()
    run.remove()
    assert list(folder.locks.iterdir()) == []


def test_a_run_that_was_killed_is_forgotten_by_the_next(folder: Folder) -> None:
    program = (
        "import os, pathlib, sys\nfrom proxy.ledger.folder import Folder\n"
        "from proxy.supervisor.run_file import RunFile\n"
        "run = RunFile(Folder(pathlib.Path(sys.argv[1])), {'relay': 'http://killed', 'inspector': 'http://killed'})\n"
        "run.write({'relay': os.getpid()}); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", program, str(folder.path)], check=False, timeout=60)
    assert "relay" in read(folder.run)
    RunFile(folder, {"relay": "http://new"}).write({"relay": 5})
    assert read(folder.run) == {"relay": "http://new", "processes": {"relay": 5}}


def test_runs_share_the_file(folder: Folder) -> None:
    relay = RunFile(folder, {"relay": "http://r"})
    observer = RunFile(folder, {"inspector": "http://i", "token_file": "/t"})
    relay.write({"relay": 1})
    observer.write({"observer": 2})
    assert read(folder.run) == {
        "relay": "http://r",
        "inspector": "http://i",
        "token_file": "/t",
        "processes": {"relay": 1, "observer": 2},
    }
    relay.remove()
    assert read(folder.run) == {"inspector": "http://i", "token_file": "/t", "processes": {"observer": 2}}
    observer.remove()
    assert not folder.run.exists()


def test_of_two_relays_both_are_named_and_the_address_is_the_first_ones_that_lives(folder: Folder) -> None:
    first, second = RunFile(folder, {"relay": "http://one"}), RunFile(folder, {"relay": "http://two"})
    first.write({"supervisor": 1, "relay": 2, "observer": 3})
    second.write({"relay": 7})
    both = {"supervisor": 1, "relay": 2, "observer": 3, "relay-7": 7}
    assert read(folder.run) == {"relay": "http://one", "processes": both}
    first.write({"supervisor": 1, "observer": 3})
    assert read(folder.run)["processes"] == {"supervisor": 1, "observer": 3, "relay-7": 7}
    first.write({"supervisor": 1, "relay": 4, "observer": 3})
    assert read(folder.run)["processes"] == {**both, "relay": 4}
    first.remove()
    assert read(folder.run) == {"relay": "http://two", "processes": {"relay": 7}}
    second.remove()
    assert not folder.run.exists()


def test_a_worker_that_ended_is_no_longer_in_the_file(folder: Folder) -> None:
    observer = RunFile(folder, {"inspector": "http://i"})
    observer.write({"observer": 3})
    relays = RunFile(folder, {"relay": "http://r"})
    relays.write({"supervisor": 5, "relay-1": 6, "relay-2": 7})
    relays.write({"supervisor": 5, "relay-2": 7})
    assert read(folder.run)["processes"] == {"observer": 3, "supervisor": 5, "relay-2": 7}


def test_two_that_begin_together_are_both_in_the_file(folder: Folder) -> None:
    runs = [RunFile(folder, {f"room{number}": "http://x"}) for number in range(32)]

    def add(number: int) -> None:
        runs[number].write({f"role{number}": number})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(32)))
    assert len(read(folder.run)) == 33


def test_a_file_that_is_missing_or_broken_says_nothing(tmp_path: Path) -> None:
    assert read(tmp_path / "run.json") == {}
    for text in ("", "[]", "{"):
        (tmp_path / "run.json").write_text(text)
        assert read(tmp_path / "run.json") == {}
