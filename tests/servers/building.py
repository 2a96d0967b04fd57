"""Builds one recipe: in a temporary folder beside its final place, renamed when everything is there."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.recipes import GO_MINIMUM, Recipe

_TICK_SECONDS = 1.0
_LOG_TAIL_LINES = 15
_UNFINISHED = ".unfinished-"


class BuildError(Exception):
    """One sentence for the person who started the build."""


def check_go() -> None:
    """Raises BuildError unless the `go` that would run (toolchain switching included) is new enough."""
    needed = ".".join(map(str, GO_MINIMUM))
    remedy = (
        f"the servers of the stack tests are built with Go {needed} or newer (https://go.dev/dl/), or run by Docker"
    )
    if shutil.which("go") is None:
        raise BuildError(f"`go` is not installed: {remedy}.")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "go.mod").write_text(f"module probe\n\ngo {needed}\n", encoding="utf-8")
        asked = subprocess.run(["go", "env", "GOVERSION"], cwd=folder, capture_output=True, text=True, check=False)
    found = re.match(r"go(\d+)\.(\d+)(?:\.(\d+))?", asked.stdout.strip())
    if found is None or tuple(int(part or 0) for part in found.groups()) < GO_MINIMUM:
        version = (asked.stdout.strip() or asked.stderr.strip() or "it says nothing").splitlines()[-1]
        raise BuildError(f"`go` is too old ({version}): {remedy}.")


def remove_unfinished(cache: Path) -> None:
    """Deletes what an interrupted build left behind; Go's own cache keeps its progress."""
    for left_over in cache.glob(f"{_UNFINISHED}*"):
        shutil.rmtree(left_over)


def build(recipe: Recipe, cache: Path, tick: Callable[[float], None]) -> float:
    """Builds the recipe into the cache and returns the seconds it took; `tick` is called with the seconds so far.

    Raises BuildError with the end of the compiler's output; all of it stays beside the recipe's folder as `.log`.
    """
    started = time.monotonic()
    work = Path(tempfile.mkdtemp(prefix=f"{_UNFINISHED}{recipe.name}-", dir=cache))
    log = cache / f"{recipe.folder}.log"
    for name, text in recipe.files:
        (work / name).write_text(text, encoding="utf-8")
    with log.open("wb") as output:
        for command in recipe.commands:
            with _running(command, work, output.fileno()) as process:
                while _still_runs(process):
                    tick(time.monotonic() - started)
            if process.returncode != 0:
                tail = "\n".join(log.read_text(errors="replace").splitlines()[-_LOG_TAIL_LINES:])
                raise BuildError(f"{recipe.name} {recipe.version} could not be built ({log}):\n{tail}")
    finished = cache / recipe.folder
    shutil.rmtree(finished, ignore_errors=True)
    _keep_only(work / "out", recipe.programs)
    (work / "out").rename(finished)
    shutil.rmtree(work)
    return time.monotonic() - started


@contextmanager
def _running(command: tuple[str, ...], work: Path, output: int) -> Iterator[subprocess.Popen[bytes]]:
    """The command in a process group of its own, ended with all its compilers when this process is interrupted."""
    environment = {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off"}
    process = subprocess.Popen(
        command, cwd=work, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()


def _still_runs(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(timeout=_TICK_SECONDS)
    except subprocess.TimeoutExpired:
        return True
    return False


def _keep_only(folder: Path, programs: tuple[str, ...]) -> None:
    for entry in folder.iterdir():
        if entry.name in programs:
            continue
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()
