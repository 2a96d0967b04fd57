"""The faults that the suite is made of do happen, on processes that only look at them."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.kit.conditions import MEGABYTE, WallClock, fill, filled, injected, injecting, limit, limits, tmpfs

CLOCKS = "time.time(), time.monotonic()"
SYNC = "outcome(lambda: os.fdatasync(file.fileno()))"


class Looking:
    """A Python process that evaluates one expression after the other."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        """The process that looks, whatever was put before it."""
        return int(self.at("os.getpid()"))

    def at(self, expression: str) -> str:
        """What the expression is now."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(expression + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()


PROGRAM = """
import os, sys, time
file = open(sys.argv[1], "ab")
def outcome(act):
    try:
        act()
        return "done"
    except (OSError, MemoryError) as error:
        return type(error).__name__ + " " + os.strerror(getattr(error, "errno", 0) or 0)
for line in sys.stdin:
    print(eval(line), flush=True)
"""


@contextlib.contextmanager
def looking(folder: Path, prefix: Sequence[str] = (), env: Mapping[str, str] | None = None) -> Iterator[Looking]:
    command = [*prefix, sys.executable, "-c", PROGRAM, str(folder / "file")]
    environment = {**os.environ, **(env or {})}
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Looking(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()


def test_calls_fail_from_the_start_in_a_process_that_keeps_its_number(tmp_path: Path) -> None:
    with looking(tmp_path, injecting("fdatasync:error=EIO:when=2+")) as process:
        assert [process.at(SYNC) for _ in range(2)] == ["done", f"OSError {os.strerror(errno.EIO)}"]


def test_calls_fail_while_a_block_runs_on_the_file_that_is_named(tmp_path: Path) -> None:
    with looking(tmp_path) as process:
        with injected(process.pid, "fdatasync:error=ENOSPC", path=tmp_path / "file"):
            assert process.at(SYNC) == f"OSError {os.strerror(errno.ENOSPC)}"
        assert process.at(SYNC) == "done"
        with injected(process.pid, "fdatasync:error=ENOSPC", path=tmp_path / "other"):
            assert process.at(SYNC) == "done"


def test_the_wall_clock_jumps_and_the_monotonic_one_does_not(tmp_path: Path) -> None:
    clock = WallClock(tmp_path)
    with looking(tmp_path, env=clock.env) as process:
        before = eval(process.at(CLOCKS))
        clock.move(-86_400)
        after = eval(process.at(CLOCKS))
    assert after[0] - before[0] == pytest.approx(-86_400, abs=60)
    assert 0 <= after[1] - before[1] < 60


def test_open_files_and_memory_have_a_limit_from_the_start_or_from_now_on(tmp_path: Path) -> None:
    many = "outcome(lambda: [open('/dev/null') for _ in range(60)])"
    much = "outcome(lambda: bytes(400_000_000))"
    with looking(tmp_path, limits(files=40, memory=300 * MEGABYTE)) as process:
        assert process.at(many) == f"OSError {os.strerror(errno.EMFILE)}"
        assert process.at(much).startswith("MemoryError")
    with looking(tmp_path) as process:
        assert (process.at(many), process.at(much)) == ("done", "done")
        limit(process.pid, files=40)
        assert process.at(many) == f"OSError {os.strerror(errno.EMFILE)}"


def test_a_small_disk_is_full_while_a_block_runs(tmp_path: Path) -> None:
    with tmpfs(tmp_path / "disk", 2) as disk:
        with filled(disk), pytest.raises(OSError, match="No space left"):
            (disk / "file").write_bytes(bytes(8192))
        (disk / "file").write_bytes(bytes(8192))
    assert not (tmp_path / "disk" / "file").exists()


def test_a_disk_of_this_machine_is_never_filled(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="no small disk"):
        fill(tmp_path / "filler")
