"""The whole family as real processes, in a data folder of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import psutil

from proxy.ledger.folder import Folder
from proxy.ledger.locks import taken
from tests.kit.process import Proxy, wait

NOWHERE = "http://127.0.0.1:9"


def test_the_run_file_says_where_everything_is_and_goes_with_the_run(tmp_path: Path) -> None:
    proxy = Proxy(tmp_path, NOWHERE)
    with proxy.running():
        assert set(proxy.run) == {"relay", "inspector", "token_file", "processes"}
        assert set(proxy.run["processes"]) == {"supervisor", "relay", "observer"}
        assert (proxy.data / "run.json").stat().st_mode & 0o777 == 0o600
        assert all(psutil.pid_exists(number) for number in proxy.run["processes"].values())
        numbers = list(proxy.run["processes"].values())
    assert not (proxy.data / "run.json").exists()
    assert not any(map(psutil.pid_exists, numbers))


def test_a_dead_relay_is_replaced_on_the_same_port_while_the_observer_lives(tmp_path: Path) -> None:
    """I3"""
    proxy = Proxy(tmp_path, NOWHERE)
    with proxy.running():
        base_url, relay, observer = proxy.base_url, proxy.pid("relay"), proxy.pid("observer")
        os.kill(relay, signal.SIGKILL)
        wait(lambda: proxy.run["processes"].get("relay", relay) != relay, "a new relay")
        assert httpx.get(f"{base_url}/readyz", timeout=20, trust_env=False).status_code == 200
        assert (proxy.base_url, proxy.pid("observer")) == (base_url, observer)
    assert "relay ended (SIGKILL); starting it again in 0.5 s" in proxy.said()


def test_several_workers_share_port_and_ledger_and_each_is_replaced_alone(tmp_path: Path) -> None:
    proxy = Proxy(tmp_path, NOWHERE, arguments=("--workers", "3"))
    with proxy.running():
        assert proxy.relays == ["relay-1", "relay-2", "relay-3"]
        siblings = [proxy.pid(name) for name in ("relay-1", "relay-3", "observer")]
        proxy.replaced("relay-2", proxy.kill("relay-2"))
        assert [proxy.pid(name) for name in ("relay-1", "relay-3", "observer")] == siblings
    assert "relay-2 ended (SIGKILL); starting it again in 0.5 s" in proxy.said()
    assert not any(taken(path) for path in Folder(proxy.data).locks.iterdir())


def test_the_link_signs_in_once_and_not_again_after_the_observer_was_replaced(tmp_path: Path) -> None:
    """H8"""
    proxy = Proxy(tmp_path, NOWHERE)
    with proxy.running():
        link = next(json.loads(line) for line in proxy.said().splitlines() if '"started"' in line)["inspector"]
        observer = proxy.pid("observer")
        os.kill(observer, signal.SIGKILL)
        wait(lambda: proxy.run["processes"].get("observer", observer) != observer, "a new observer")
        answer = httpx.get(link, timeout=20, trust_env=False)
        assert "set-cookie" not in answer.headers


def test_nothing_outlives_a_supervisor_that_was_killed(tmp_path: Path) -> None:
    """I3"""
    proxy = Proxy(tmp_path, NOWHERE, relay="drain_seconds = 0")
    proxy.start()
    children = [psutil.Process(proxy.pid(name)) for name in ("relay", "observer")]
    os.kill(proxy.pid("supervisor"), signal.SIGKILL)
    assert psutil.wait_procs(children, timeout=20)[1] == []
    proxy.stop()
    with proxy.running():
        assert proxy.run["processes"]["relay"] != children[0].pid


def test_a_second_run_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    first = Proxy(tmp_path, NOWHERE)
    with first.running():
        second = subprocess.run(
            [sys.executable, "-m", "proxy", "--config", str(first.config), "--data", str(first.data)],
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert (second.returncode, second.stdout) == (2, "")
    assert second.stderr == (
        f"anthropic-proxy: supervisor already runs on {first.data}: stop it or choose another data folder\n"
    )


def test_a_folder_named_proxy_where_the_user_stands_is_not_run(tmp_path: Path) -> None:
    """The children are found beside the supervisor's own code, whatever the working folder holds."""
    trap = tmp_path / "here" / "proxy"
    trap.mkdir(parents=True)
    (trap / "__init__.py").write_text("raise SystemExit('trapped')")
    home = Path(__file__).parents[2]
    process = subprocess.Popen(
        [
            sys.executable,
            "-P",
            "-m",
            "proxy",
            "-p",
            "0",
            "--inspector",
            "127.0.0.1:0",
            "--data",
            str(tmp_path / "data"),
        ],
        cwd=trap.parent,
        env={**os.environ, "PYTHONPATH": str(home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    run = tmp_path / "data" / "run.json"
    wait(run.exists, "the run to begin")
    url = f"{json.loads(run.read_text())['relay']}/readyz"
    assert httpx.get(url, timeout=20, trust_env=False).status_code == 200
    process.terminate()
    assert "trapped" not in process.communicate(timeout=60)[1]
    assert process.returncode == 0
