"""`python -m benchmarks`: CPU per call and per event and added time to first byte, beside nginx, in one run.

Every figure is the median over the rounds; within a round the peers are visited in turn. Absolute times are of this
machine; the ratios to nginx are what can be compared.
"""

from __future__ import annotations

import asyncio
import os
import platform
import statistics
import sys
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from typing import Any

from benchmarks import load, peers
from benchmarks.load import Measured
from benchmarks.peers import Peer

ROUNDS = 3
CALLS = 4_000
CONNECTIONS = 32
STREAMS = 100
EVENTS = 100
PER_SECOND = 50

Workload = Callable[[int], Coroutine[Any, Any, Measured]]
WORKLOADS: dict[str, tuple[Workload, int]] = {
    "1 kB call": (lambda port: load.calls(port, CALLS, CONNECTIONS), CALLS),
    "paced event": (lambda port: load.streams(port, STREAMS, EVENTS, PER_SECOND), STREAMS * (EVENTS + 2)),
}


def visit(peer: Peer, workload: Workload, units: int) -> dict[str, float]:
    """CPU in µs per unit by process, and the median time to first byte in ms."""
    before = peer.cpu()
    measured = asyncio.run(workload(peer.port))
    peer.settle()
    after = peer.cpu()
    figures = {name: (after[name] - before[name]) * 1e6 / units for name in after}
    return {**figures, "first byte": measured.p50()}


def main() -> None:
    """Runs all rounds and prints one table."""
    core = 1 if (os.cpu_count() or 1) > 1 else 0
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {0})
    figures: dict[tuple[str, str], list[dict[str, float]]] = {}
    with ExitStack() as stack:
        port = stack.enter_context(peers.upstream(0))
        running = [stack.enter_context(peer(port, core)) for peer in (peers.direct, peers.nginx, peers.ours)]
        for peer in running:
            visit(peer, lambda port: load.calls(port, 640, CONNECTIONS), 640)
        for number in range(ROUNDS):
            for name, (workload, units) in WORKLOADS.items():
                for peer in running:
                    if sys.stderr.isatty():
                        print(f"\rround {number + 1}/{ROUNDS}  {name:12} {peer.name:16}", end="", file=sys.stderr)
                    figures.setdefault((name, peer.name), []).append(visit(peer, workload, units))
    if sys.stderr.isatty():
        print(file=sys.stderr)
    report(figures)


def report(figures: dict[tuple[str, str], list[dict[str, float]]]) -> None:
    """Prints the medians and, for this proxy, the median of the same-round ratios to nginx."""
    print(f"{platform.machine()}, {os.cpu_count()} cores, CPython {platform.python_version()}, {ROUNDS} rounds\n")
    print(f"{'workload':14}{'server':18}{'process':12}{'CPU µs':>9}{'x nginx':>9}{'first byte ms':>15}{'added ms':>10}")
    for (workload, server), rounds in figures.items():
        nginx = figures[workload, "nginx"]
        added = statistics.median(
            a["first byte"] - b["first byte"] for a, b in zip(rounds, figures[workload, "direct"], strict=True)
        )
        for process in [name for name in rounds[0] if name != "first byte"] or ["-"]:
            cpu = statistics.median(figure.get(process, 0.0) for figure in rounds)
            ratio = statistics.median(
                a.get(process, 0.0) / b["worker"] for a, b in zip(rounds, nginx, strict=True) if b["worker"]
            )
            first_byte = statistics.median(figure["first byte"] for figure in rounds)
            print(f"{workload:14}{server:18}{process:12}{cpu:9.0f}{ratio:9.1f}{first_byte:15.2f}{added:10.2f}")


if __name__ == "__main__":
    main()
