"""Relay and observer as the only process of a container."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from benchmarks.processes import free_port
from proxy.supervisor.run_file import read
from tests.kit.process import Proxy, wait


@contextmanager
def running(command: str, data: Path, *more: str) -> Iterator[None]:
    """Runs `relay` or `observe` on a free port; at the end it is told to stop and must end well."""
    address = "--listen" if command == "relay" else "--inspector"
    process = subprocess.Popen(
        [sys.executable, "-m", "proxy", command, address, "127.0.0.1:0", "--data", str(data), *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield
    finally:
        process.terminate()
        said = process.communicate(timeout=60)[0]
    assert process.returncode == 0, said


@pytest.mark.parametrize("first", ["relay", "observe"])
def test_relay_and_observer_can_run_alone_on_one_folder(tmp_path: Path, first: str) -> None:
    second = {"relay": "observe", "observe": "relay"}[first]
    run = tmp_path / "run.json"
    with running(first, tmp_path), running(second, tmp_path):
        wait(lambda: {"relay", "inspector"} <= read(run).keys(), "both to write where they are")
        for room in ("relay", "inspector"):
            assert httpx.get(f"{read(run)[room]}/readyz", timeout=20, trust_env=False).status_code == 200
    assert not run.exists()


def test_relays_alone_may_be_several_processes_on_one_port_or_several_ports_on_one_ledger(tmp_path: Path) -> None:
    run = tmp_path / "run.json"
    with running("relay", tmp_path):
        wait(lambda: "relay" in read(run), "the first to write where it is")
        first = read(run)
        with running("relay", tmp_path, "--workers", "2"):
            wait(lambda: "relay-2" in processes(run), "the second to run")
            for known in (first, read(run)):
                assert httpx.get(f"{known['relay']}/readyz", timeout=20, trust_env=False).status_code == 200
            assert processes(run).keys() == {"relay", "supervisor", "relay-1", "relay-2"}
            assert read(run)["relay"] == first["relay"]
        assert processes(run) == first["processes"]
    assert not run.exists()


def test_a_relay_alone_beside_a_whole_run_takes_nobodys_place_in_the_file(tmp_path: Path) -> None:
    proxy = Proxy(tmp_path, "http://127.0.0.1:9")
    with proxy.running():
        run = proxy.data / "run.json"
        before = read(run)
        port = free_port()
        with running("relay", proxy.data, "--listen", f"127.0.0.1:{port}"):
            wait(lambda: len(processes(run)) == 4, "the second relay to write where it is")
            assert httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=20, trust_env=False).status_code == 200
            (further,) = processes(run).keys() - processes_of(before)
            assert processes(run)[further] not in processes_of(before).values()
            assert {**read(run), "processes": processes_of(before)} == before
            again = proxy.kill("relay")
            wait(lambda: processes(run).get("relay", again) != again, "a new relay")
            assert further in processes(run)
        assert processes(run).keys() == processes_of(before).keys()
    assert not run.exists()


def processes(run: Path) -> dict[str, int]:
    return processes_of(read(run))


def processes_of(known: dict[str, object]) -> dict[str, int]:
    found = known.get("processes", {})
    assert isinstance(found, dict)
    return found


def test_a_second_observer_leaves_the_first_ones_run_as_it_is(tmp_path: Path) -> None:
    """F12"""
    run = tmp_path / "run.json"
    with running("observe", tmp_path):
        wait(lambda: "inspector" in read(run), "the first to write where it is")
        assert httpx.get(f"{read(run)['inspector']}/readyz", timeout=20, trust_env=False).status_code == 200
        before = read(run)
        second = subprocess.run(
            [sys.executable, "-m", "proxy", "observe", "--inspector", "127.0.0.1:0", "--data", str(tmp_path)],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (second.returncode, second.stdout) == (2, "")
        assert second.stderr.startswith("anthropic-proxy: observer already runs on ")
        assert read(run) == before
