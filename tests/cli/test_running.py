"""The commands that run until they are stopped, as people start them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.cli.commands import HOME
from tests.kit.process import wait

PORTS = ["-p", "0", "--inspector", "127.0.0.1:0", "--data", "data"]


@contextmanager
def running(folder: Path, *arguments: str) -> Iterator[Path]:
    """Runs a command in a folder, its output in a file there; at the end it is told to stop and must end well."""
    said = folder / "said"
    with said.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "proxy", *arguments],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(HOME)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait((folder / "data" / "run.json").exists, "the run to begin")
        yield said
    finally:
        process.send_signal(signal.SIGINT)
        code = process.wait(60)
    assert code == 0, said.read_text()


def test_serve_prints_what_to_copy_and_where_to_look(tmp_path: Path) -> None:
    with running(tmp_path, *PORTS, "--log-format", "text") as said:
        run = json.loads((tmp_path / "data" / "run.json").read_text())
        lines = said.read_text().splitlines()
        assert f"  export ANTHROPIC_BASE_URL={run['relay']}" in lines
        assert f"  data       {tmp_path}/data" in lines
        link = next(line.split()[1] for line in lines if line.startswith("  inspector"))
        assert link.startswith(f"{run['inspector']}/sign-in?code=")
        with httpx.Client(timeout=20, trust_env=False, follow_redirects=True) as browser:
            assert browser.get(link).status_code == 200


def test_every_line_is_json_where_nobody_looks(tmp_path: Path) -> None:
    with running(tmp_path, "serve", *PORTS) as said:
        wait(said.read_text, "the first line")
    lines = [json.loads(line) for line in said.read_text().splitlines()]
    assert [line["msg"] for line in lines] == [
        "started",
        "stopping: open requests have 30 s; a second signal ends them",
    ]


def test_the_demo_sends_traffic_that_is_recorded(tmp_path: Path) -> None:
    with running(tmp_path, "demo", *PORTS):
        run = json.loads((tmp_path / "data" / "run.json").read_text())
        assert set(run["processes"]) == {"supervisor", "traffic", "upstream", "relay", "observer"}
        token = Path(run["token_file"]).read_text().strip()
        with httpx.Client(
            base_url=run["inspector"], headers={"authorization": f"Bearer {token}"}, timeout=20, trust_env=False
        ) as api:
            wait(lambda: len(api.get("/api/v1/exchanges").json()["items"]) >= 5, "five requests in the list")
