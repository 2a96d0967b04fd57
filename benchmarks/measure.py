"""Rounds: in each, every workload visits every peer in turn, so that what disturbs one disturbs all."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import native, once, tls
from benchmarks.native import Seen
from benchmarks.peers import KINDS, Kind, Peer, Upstream
from benchmarks.processes import cpu_s
from benchmarks.workloads import Workload, workloads

LOAD_CORE, PEER_CORE = 0, 1
_SATURATED = 0.9
"""Share of its core that the load may take before it, and not the peer, is the limit."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One workload at one peer."""

    cpu_us: dict[str, float]
    """Per call or event, by process."""
    seen: Seen
    rss_mb: dict[str, float]
    load_share: float
    """Share of its core that load and upstream took."""
    peer_share: float

    @property
    def trouble(self) -> str | None:
        """Why the figures say nothing; None when they do."""
        if self.seen.failed:
            return f"failed: {self.seen.reason}"
        return None

    @property
    def load_bound(self) -> bool:
        """Whether the load was busier than the peer: its latency and rate are then the load's."""
        return self.load_share > _SATURATED and self.peer_share < self.load_share


@dataclass(frozen=True, slots=True)
class Run:
    """Everything measured: (workload, peer) → one visit per round, and memory of idle peers in MB."""

    visits: dict[tuple[str, str], list[Visit]]
    idle_mb: dict[str, dict[str, float]]
    workloads: Sequence[Workload]
    once: dict[str, float] = field(default_factory=dict)
    """What `benchmarks.once` measured; empty when only some workloads were asked for."""


def measure(
    rounds: int, share: float, only: Collection[str], among: Collection[str], progress: Callable[[str], None]
) -> Run:
    """Measures all workloads, or those named, at all peers, or those of such names, with `share` of the requests.

    `once` in `only` names what is measured beside them.
    """
    beside = {} if only and "once" not in only else once.measured(LOAD_CORE, PEER_CORE, progress)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {LOAD_CORE})
    visits: dict[tuple[str, str], list[Visit]] = {}
    idle: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o755)
        chosen = [w.scaled(share) for w in workloads(folder) if not only or w.name in only]
        port, pid = stack.enter_context(native.upstream(LOAD_CORE))
        plain = Upstream(port, False, folder / "certificate.pem")
        secure = stack.enter_context(tls.terminated(plain, folder, LOAD_CORE)) if any(w.tls for w in chosen) else plain
        running: dict[tuple[str, bool], Peer] = {}
        for kind, encrypted in _cast(chosen, among):
            progress(f"starting {kind.name}")
            upstream = secure if encrypted else plain
            peer = stack.enter_context(kind.start(upstream, plain, PEER_CORE))
            running[kind.name, encrypted] = peer
            peer.settle()
            if not encrypted:
                idle[kind.name] = peer.rss()
        for number in range(rounds):
            for workload in chosen:
                for kind in KINDS:
                    visited = running.get((kind.name, workload.tls))
                    if visited is not None:
                        progress(f"round {number + 1}/{rounds}  {workload.name:8}{kind.name}")
                        visit = _visit(visited, workload.scaled(kind.share), pid)
                        visits.setdefault((workload.name, kind.name), []).append(visit)
    return Run(visits, idle, chosen, beside)


def _cast(chosen: Sequence[Workload], among: Collection[str]) -> Iterator[tuple[Kind, bool]]:
    """Which peers run, and whether to a TLS upstream."""
    kinds = [kind for kind in KINDS if not among or any(part in kind.name for part in among)]
    for encrypted in sorted({workload.tls for workload in chosen}):
        yield from ((kind, encrypted) for kind in kinds if kind.tls or not encrypted)


def _visit(peer: Peer, workload: Workload, upstream_pid: int) -> Visit:
    order = workload.order
    with _spent(upstream_pid) as upstream_s:
        before = peer.cpu()
        seen = native.run(order, peer.port, peer.path)
        during = sum(peer.cpu().values()) - sum(before.values())
    peer.settle()
    after = peer.cpu()
    units = order.requests * workload.units
    return Visit(
        cpu_us={name: (after[name] - before[name]) * 1e6 / units for name in after},
        seen=seen,
        rss_mb=peer.rss(),
        load_share=(seen.cpu_s + upstream_s[0]) / seen.elapsed_s,
        peer_share=during / seen.elapsed_s,
    )


@contextmanager
def _spent(pid: int) -> Iterator[list[float]]:
    """CPU seconds of a process while the block ran."""
    found = [0.0]
    before = cpu_s(pid)
    yield found
    found[0] = cpu_s(pid) - before


def on_terminal() -> Callable[[str], None]:
    """Shows one line of progress on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        return lambda _: None
    return lambda text: print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
