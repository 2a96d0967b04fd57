"""The compiled parts: the load generator and the upstream, built once and kept outside the checkout."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cache import cache
from benchmarks.processes import await_port, free_port, started

_SOURCE = Path(__file__).with_name("native")
_FLAGS = ("-O2", "-std=gnu11", "-Wall", "-Wextra")
_HEADERS = (
    "content-type: application/json\r\nx-api-key: sk-ant-api03-benchmark\r\nanthropic-version: 2023-06-01\r\n"
    "user-agent: benchmark/1\r\n"
)


@dataclass(frozen=True, slots=True)
class Order:
    """What the load generator is to do."""

    connections: int
    requests: int
    bodies: Sequence[Path]
    """Request bodies, taken in turn."""
    events: int = 0
    """Of each stream; 0 asks for plain calls."""
    rate: int = 0
    """Events per second of a stream; 0: as fast as it goes."""
    abort_every: int = 0
    """Every so manieth request leaves after half its events."""
    ramp_ms: int = 0
    """Over how long the connections begin."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the load generator saw; µs."""

    complete: int
    aborted: int
    failed: int
    reason: str
    """Of the first failure."""
    elapsed_s: float
    cpu_s: float
    """Its own."""
    call: dict[str, int]
    """Whole calls: count, p50, p90, p99, max."""
    first_byte: dict[str, int]
    delay: dict[str, int]
    """From the writing of an event by the upstream to its arrival."""
    gap: dict[str, int]
    """Between two events of a stream."""


def run(order: Order, port: int, path: str = "/v1/messages") -> Seen:
    """Plays one order against a port of this machine."""
    with tempfile.NamedTemporaryFile("w", newline="") as headers:
        headers.write(_HEADERS)
        headers.flush()
        numbers = (port, order.connections, order.requests, order.events, order.rate, order.abort_every, order.ramp_ms)
        command = [str(_built("load")), *map(str, numbers), path, headers.name, *map(str, order.bodies)]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    if not done.stdout:
        raise SystemExit(f"the load generator ended with {done.returncode} and said nothing.")
    told = json.loads(done.stdout)
    return Seen(**{name: told[name] for name in Seen.__slots__})


@contextlib.contextmanager
def upstream(core: int) -> Iterator[tuple[int, int]]:
    """The upstream: its port and process id."""
    port = free_port()
    with started([str(_built("upstream")), str(port)], core) as process:
        await_port(port)
        yield port, process.pid


def _built(name: str) -> Path:
    """The program, compiled unless these very sources were before."""
    sources = [_SOURCE / "wire.h", _SOURCE / f"{name}.c"]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources) + " ".join(_FLAGS).encode()).hexdigest()
    program = cache() / f"{name}-{digest[:12]}"
    if not program.exists():
        compiler = shutil.which("cc")
        if compiler is None:
            raise SystemExit("there is no C compiler; install one, for instance with `apt-get install gcc libc6-dev`.")
        made = program.with_suffix(f".{os.getpid()}")
        subprocess.run([compiler, *_FLAGS, "-o", str(made), str(sources[1])], check=True)
        made.rename(program)
    return program
