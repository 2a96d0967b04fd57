"""Containers stand in for servers that cannot be built. Docker itself is a script here that tells what it was asked."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.kit.process import wait
from tests.servers.cache import in_containers, program, recipe
from tests.servers.recipes import RECIPES

_ROOT = Path(__file__).resolve().parents[2]
_DOCKER = """\
#!/bin/sh
echo "$*" >> {log}
case "$1" in
  version) exit {engine} ;;
  image) exit 1 ;;
  pull) exit {registry} ;;
  run) for last; do :; done; [ "$last" != stay ] || exec sleep 60 ;;
esac
"""


@dataclass(frozen=True)
class _Machine:
    """One without Go."""

    folder: Path

    @property
    def asked(self) -> list[str]:
        """What Docker was asked so far, a line for each command."""
        return (self.folder / "log").read_text().splitlines()

    def environment(self, path: str = "") -> dict[str, str]:
        """Docker is found first; everything else only where `path` says so."""
        programs = f"{self.folder / 'bin'}:{path}"
        return {**os.environ, "PATH": programs, "ANTHROPIC_PROXY_CACHE": str(self.folder / "cache")}

    def bring_servers(self) -> subprocess.CompletedProcess[str]:
        """`python -m tests.servers`."""
        command = [sys.executable, "-m", "tests.servers"]
        return subprocess.run(command, cwd=_ROOT, env=self.environment(), capture_output=True, text=True, check=False)

    def script(self, server: str, name: str) -> Path:
        """What takes a program's place."""
        return in_containers(recipe(server), self.folder / "cache" / "servers") / name


def _machine(folder: Path, *, engine: int = 0, registry: int = 0) -> _Machine:
    (folder / "bin").mkdir()
    (folder / "log").touch()
    docker = folder / "bin" / "docker"
    docker.write_text(_DOCKER.format(log=folder / "log", engine=engine, registry=registry))
    docker.chmod(0o755)
    return _Machine(folder)


def test_without_go_every_program_is_a_container_of_the_same_version(tmp_path: Path) -> None:
    machine = _machine(tmp_path)
    brought = machine.bring_servers()
    assert (brought.returncode, brought.stderr) == (0, "")
    assert "`go` is not installed" in brought.stdout
    assert "containers of the same versions take their place" in brought.stdout
    for each in RECIPES:
        for name in each.programs:
            said = machine.script(each.name, name).read_text()
            assert f" {each.image} " in said if each.image else "exec docker compose " in said
    pulled = {line.removeprefix("pull ") for line in machine.asked if line.startswith("pull ")}
    assert pulled == {each.image for each in RECIPES if each.image}


def test_a_container_sees_the_same_paths_user_and_network(tmp_path: Path) -> None:
    machine = _machine(tmp_path)
    machine.bring_servers()
    script = machine.script("prometheus", "promtool")
    command = [str(script), "check", "config", "a file.yaml"]
    subprocess.run(command, cwd=tmp_path, env=machine.environment(os.environ["PATH"]), check=True)
    [run] = [line for line in machine.asked if line.startswith("run ")]
    for part in (
        "--network host",
        f"--user {os.getuid()}:{os.getgid()}",
        f"--volume {tempfile.gettempdir()}:{tempfile.gettempdir()}",
        f"--volume {_ROOT}:{_ROOT}:ro",
        f"--workdir {tmp_path}",
        f"--entrypoint /bin/promtool {recipe('prometheus').image} check config a file.yaml",
    ):
        assert part in run


def test_a_container_ends_with_its_client_even_if_that_is_killed(tmp_path: Path) -> None:
    machine = _machine(tmp_path)
    machine.bring_servers()
    command = [str(machine.script("loki", "loki")), "stay"]
    with subprocess.Popen(command, env=machine.environment(os.environ["PATH"])) as client:
        wait(lambda: any(line.startswith("run ") for line in machine.asked), "the start of the container")
        assert not any(line.startswith("rm ") for line in machine.asked)
        client.send_signal(signal.SIGKILL)
    removal = f"rm --force anthropic-proxy-tests-{client.pid}"
    wait(lambda: removal in machine.asked, "the removal of the container")


def test_what_is_built_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = _machine(tmp_path)
    machine.bring_servers()
    monkeypatch.setenv("ANTHROPIC_PROXY_CACHE", str(tmp_path / "cache"))
    assert program("loki") == machine.script("loki", "loki")
    built = tmp_path / "cache" / "servers" / recipe("loki").folder / "loki"
    built.parent.mkdir()
    built.touch()
    assert program("loki") == built


def test_an_engine_that_does_not_answer_is_no_help(tmp_path: Path) -> None:
    brought = _machine(tmp_path, engine=1).bring_servers()
    assert brought.returncode == 1
    assert brought.stderr.startswith("`go` is not installed")
    assert brought.stderr.count("\n") == 1


def test_an_image_that_cannot_be_had_is_named(tmp_path: Path) -> None:
    brought = _machine(tmp_path, registry=1).bring_servers()
    assert brought.returncode == 1
    assert brought.stderr == f"the image {RECIPES[0].image} could not be pulled\n"
