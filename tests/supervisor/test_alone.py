"""Relay and observer as the only process of a container."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from proxy.supervisor.run_file import read
from tests.kit.process import wait


def start(command: str, data: Path) -> subprocess.Popen[str]:
    address = "--listen" if command == "relay" else "--inspector"
    return subprocess.Popen(
        [sys.executable, "-m", "proxy", command, address, "127.0.0.1:0", "--data", str(data)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.parametrize("first", ["relay", "observe"])
def test_relay_and_observer_can_run_alone_on_one_folder(tmp_path: Path, first: str) -> None:
    second = {"relay": "observe", "observe": "relay"}[first]
    processes = [start(first, tmp_path), start(second, tmp_path)]
    run = tmp_path / "run.json"
    wait(lambda: {"relay", "inspector"} <= read(run).keys(), "both to write where they are")
    for room in ("relay", "inspector"):
        assert httpx.get(f"{read(run)[room]}/readyz", timeout=20, trust_env=False).status_code == 200
    for process in processes:
        process.terminate()
    said = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    assert not run.exists()
