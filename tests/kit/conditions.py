"""What processes can be made to live with: limits, calls that fail, a wall clock that jumps, a small or full disk.

Prefixes go before the command of a `Proxy` and hold for all its processes; the others act on one that runs.
"""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

MEGABYTE = 1 << 20
MOUNTS = r"""
22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
35 22 0:31 / /srv rw,relatime shared:2 - nfs4 server:/export rw,vers=4.2
36 35 254:2 / /srv/fast rw,relatime - xfs /dev/vdb rw
37 22 0:40 / /mnt/with\040space rw - fuse.sshfs host:/ rw
38 22 0:41 / /mnt/c rw shared:9 master:3 - 9p drvfs rw
"""
"""What Linux tells in `/proc/self/mountinfo` where disks of other machines are mounted."""


def limits(*, files: int | None = None, memory: int | None = None) -> tuple[str, ...]:
    """Prefix: at most so many open files, so many bytes of address space, in each process."""
    given = {"--nofile": files, "--as": memory}
    return ("prlimit", *(f"{name}={value}" for name, value in given.items() if value is not None), "--")


def limit(pid: int, *, files: int | None = None, memory: int | None = None) -> None:
    """The same for one process that runs; None changes nothing."""
    for kind, value in ((resource.RLIMIT_NOFILE, files), (resource.RLIMIT_AS, memory)):
        if value is not None:
            resource.prlimit(pid, kind, (value, resource.prlimit(pid, kind)[1]))


def injecting(inject: str, *, path: Path | None = None) -> tuple[str, ...]:
    """Prefix: system calls fail or stall as strace's `inject` says, such as `fdatasync:error=EIO:when=3+`.

    With `path`, only calls on that file, by name or by descriptor.
    """
    return (*_strace(inject, path), "-D", "-D", "-D", "--")


@contextlib.contextmanager
def injected(pid: int, inject: str, *, path: Path | None = None) -> Iterator[subprocess.Popen[str]]:
    """The same for one process with all its threads, while the block runs; yields the tracer."""
    command = [*_strace(inject, path), "-p", str(pid)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as tracer:
        assert tracer.stderr is not None
        said = tracer.stderr.readline()
        assert "attached" in said, said
        try:
            yield tracer
        finally:
            tracer.terminate()


class WallClock:
    """A wall clock that can be moved while processes run; the monotonic one goes on undisturbed."""

    def __init__(self, folder: Path) -> None:
        self._offset = folder / "wall-clock"
        library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
        self.env = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._offset),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_NO_CACHE": "1",
            # Its mend for an old glibc ends waits of threads early, and those for the interpreter's lock spin.
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",
        }
        """For the environment of the processes."""
        self.move(0)

    def move(self, seconds: int) -> None:
        """Sets it so many seconds before or after the real time."""
        beside = self._offset.with_suffix(".new")
        beside.write_text(f"{seconds:+d}s\n")
        beside.replace(self._offset)


@contextlib.contextmanager
def tmpfs(folder: Path, megabytes: int) -> Iterator[Path]:
    """A file system in memory of that size, mounted at `folder` while the block runs; root only."""
    folder.mkdir(parents=True, exist_ok=True)
    options = f"size={megabytes}m,mode=0700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextlib.contextmanager
def filled(folder: Path, *, leave: int = 0) -> Iterator[None]:
    """The file system of `folder` is full but for `leave` bytes while the block runs. Only for a tmpfs."""
    filler = folder / "filler"
    try:
        fill(filler, leave)
        yield
    finally:
        filler.unlink(missing_ok=True)


def fill(filler: Path, leave: int = 0) -> None:
    """Takes what is free on the file system of `filler`, a file that this makes longer, but for `leave` bytes."""
    assert os.statvfs(filler.parent).f_blocks * os.statvfs(filler.parent).f_frsize < 1 << 30, "that is no small disk"
    with filler.open("ab", buffering=0) as file:
        while (free := _free(filler.parent) - leave) > 0:
            try:
                file.write(bytes(min(free, MEGABYTE)))
            except OSError as error:
                if error.errno == errno.ENOSPC:
                    return
                raise


def _free(folder: Path) -> int:
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


def _strace(inject: str, path: Path | None) -> tuple[str, ...]:
    calls = inject.split(":", 1)[0]
    only = () if path is None else ("-P", str(path))
    return (
        "strace",
        "-f",
        "-e",
        f"trace={calls}",
        "-e",
        f"inject={inject}",
        "-e",
        "signal=none",
        *only,
        "-o",
        os.devnull,
    )
