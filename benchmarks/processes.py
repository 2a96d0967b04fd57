"""Processes that are measured: started on one core, their CPU time to the nanosecond, their memory."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil

READY_S = 120
"""The slowest server that is compared needs half a minute."""


def free_port() -> int:
    """A port that was free just now."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


def await_port(port: int) -> None:
    """Waits until somebody listens."""
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
    raise SystemExit(f"nothing listens on port {port} after {READY_S} s.")


@contextlib.contextmanager
def started(
    command: Sequence[str], core: int, environment: Mapping[str, str] | None = None, log: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A process on one core, with what it starts itself; ended with the block."""
    with open(log or os.devnull, "ab") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **(environment or {})},
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),  # inherited by its children and threads
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def cpu_s(pid: int) -> float:
    """CPU seconds of a process and all its threads so far.

    The scheduler's own count is exact; `times` counts in steps of 10 ms:
    https://docs.kernel.org/scheduler/sched-stats.html#proc-pid-schedstat
    """
    spent = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError):
            spent += int((task / "schedstat").read_text().split()[0])
    return spent / 1e9


def rss_mb(pid: int) -> float:
    """Resident memory, MB."""
    return float(psutil.Process(pid).memory_info().rss) / 1e6
