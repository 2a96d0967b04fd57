from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from proxy.ledger.folder import Folder
from proxy.supervisor.run_file import RunFile, read


def test_a_run_replaces_what_an_earlier_one_left(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text('{"relay": "http://old", "inspector": "http://old", "processes": {"relay": 1}}')
    run = RunFile(Folder(tmp_path), {"relay": "http://new"})
    run.write({"supervisor": 5})
    assert json.loads(path.read_text()) == {"relay": "http://new", "processes": {"supervisor": 5}}
    assert path.stat().st_mode & 0o777 == 0o600
    run.remove()
    assert not path.exists()
    run.remove()


def test_processes_that_run_alone_share_the_file(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    relay = RunFile(Folder(tmp_path), {"relay": "http://r"}, alone=True)
    observer = RunFile(Folder(tmp_path), {"inspector": "http://i", "token_file": "/t"}, alone=True)
    relay.write({"relay": 1})
    observer.write({"observer": 2})
    assert read(path) == {
        "relay": "http://r",
        "inspector": "http://i",
        "token_file": "/t",
        "processes": {"relay": 1, "observer": 2},
    }
    relay.remove()
    assert read(path) == {"inspector": "http://i", "token_file": "/t", "processes": {"observer": 2}}
    observer.remove()
    assert not path.exists()


def test_of_two_relays_alone_the_later_one_stands_in_the_file_until_it_goes_itself(tmp_path: Path) -> None:
    first = RunFile(Folder(tmp_path), {"relay": "http://one"}, alone=True)
    second = RunFile(Folder(tmp_path), {"relay": "http://two"}, alone=True)
    first.write({"relay": 1})
    second.write({"relay": 2})
    first.remove()
    assert read(tmp_path / "run.json") == {"relay": "http://two", "processes": {"relay": 2}}
    second.remove()
    assert not (tmp_path / "run.json").exists()


def test_a_worker_that_ended_is_no_longer_in_the_file(tmp_path: Path) -> None:
    RunFile(Folder(tmp_path), {"inspector": "http://i"}, alone=True).write({"observer": 3})
    relays = RunFile(Folder(tmp_path), {"relay": "http://r"}, alone=True)
    relays.write({"supervisor": 5, "relay-1": 6, "relay-2": 7})
    relays.write({"supervisor": 5, "relay-2": 7})
    assert read(tmp_path / "run.json")["processes"] == {"observer": 3, "supervisor": 5, "relay-2": 7}


def test_two_that_begin_together_are_both_in_the_file(tmp_path: Path) -> None:
    def add(number: int) -> None:
        RunFile(Folder(tmp_path), {f"room{number}": "http://x"}, alone=True).write({f"role{number}": number})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(32)))
    assert len(read(tmp_path / "run.json")) == 33


def test_a_file_that_is_missing_or_broken_says_nothing(tmp_path: Path) -> None:
    assert read(tmp_path / "run.json") == {}
    for text in ("", "[]", "{"):
        (tmp_path / "run.json").write_text(text)
        assert read(tmp_path / "run.json") == {}
