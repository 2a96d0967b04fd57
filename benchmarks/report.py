"""Figures as Markdown: medians over the rounds, ratios of the same round, and the targets they are held against."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.measure import Run, Visit
from benchmarks.peers import KINDS, PRODUCT, Kind
from benchmarks.workloads import Workload

BARE = f"{PRODUCT} bare"
LOADS = "the load's"
"""Instead of times and rates of a server that was less busy than those who asked it."""
Figure = Callable[[Visit], float]


def all_cpu(visit: Visit) -> float:
    """µs per call or event, all processes."""
    return sum(visit.cpu_us.values())


def relay_cpu(visit: Visit) -> float:
    """µs per call or event without the observer."""
    return sum(value for name, value in visit.cpu_us.items() if name != "observer")


def ratio(run: Run, workload: str, peer: str, figure: Figure, to: str = "nginx") -> float | None:
    """Median of the same-round ratios of a figure to another peer's; None when either failed."""
    ours, theirs = run.visits.get((workload, peer), []), run.visits.get((workload, to), [])
    pairs = [(figure(a), figure(b)) for a, b in zip(ours, theirs, strict=False) if not (a.trouble or b.trouble)]
    values = [a / b for a, b in pairs if b]
    return statistics.median(values) if values else None


def median(visits: Sequence[Visit], figure: Figure) -> float | None:
    """Median over the rounds that did not fail."""
    values = [figure(visit) for visit in visits if visit.trouble is None]
    return statistics.median(values) if values else None


def added_us(run: Run, workload: str, peer: str, name: str, share: str) -> float | None:
    """Median of the same-round differences of a latency to no proxy at all, µs; without rounds that the load bound."""
    ours, direct = run.visits.get((workload, peer), []), run.visits.get((workload.removesuffix(" TLS"), "direct"), [])
    values = [
        float(getattr(a.seen, name).get(share, 0) - getattr(b.seen, name).get(share, 0))
        for a, b in zip(ours, direct, strict=False)
        if not (a.trouble or b.trouble or a.load_bound or b.load_bound)
    ]
    return statistics.median(values) if values else None


@dataclass(frozen=True, slots=True)
class Target:
    """A limit that was set before it was measured."""

    text: str
    limit: float
    unit: str
    found: Callable[[Run], float | None]
    at_least: bool = False
    """The limit has to be reached, not kept below."""
    digits: int = 1

    def line(self, run: Run) -> tuple[str, ...]:
        """Cells of its row."""
        value = self.found(run)
        kept = None if value is None else (value >= self.limit if self.at_least else value <= self.limit)
        sign = "≥" if self.at_least else "≤"
        verdict = {None: "not measured", True: "kept", False: "**missed**"}[kept]
        return self.text, f"{sign} {self.limit:,g}{self.unit}", _number(value, self.unit, self.digits), verdict


def _times_nginx(text: str, workload: str, peer: str, figure: Figure, limit: float) -> Target:
    return Target(text, limit, " ×", lambda run: ratio(run, workload, peer, figure))


TARGETS = (
    _times_nginx("W1 relay CPU, bare", "W1", BARE, relay_cpu, 10),
    _times_nginx("W1 relay CPU, everything on", "W1", PRODUCT, relay_cpu, 16),
    _times_nginx("W1 with the observer", "W1", PRODUCT, all_cpu, 30),
    _times_nginx("W2 relay CPU, bare", "W2", BARE, relay_cpu, 5),
    _times_nginx("W2 relay CPU, everything on", "W2", PRODUCT, relay_cpu, 12),
    _times_nginx("W2 with the observer", "W2", PRODUCT, all_cpu, 16),
    _times_nginx("W4 CPU per event, bare", "W4", BARE, relay_cpu, 2.2),
    _times_nginx("W4 CPU per event, everything on", "W4", PRODUCT, relay_cpu, 2.6),
    Target(
        "W4 added time to first byte, p50, to nginx's",
        4,
        " ×",
        lambda run: _over(*(added_us(run, "W4", peer, "first_byte", "p50") for peer in (PRODUCT, "nginx"))),
    ),
    Target(
        "W4 added time to first byte, p50",
        1.5,
        " ms",
        lambda run: _ms(added_us(run, "W4", PRODUCT, "first_byte", "p50")),
    ),
    Target(
        "W1 CPU of LiteLLM's pass-through to this relay's",
        35,
        " ×",
        lambda run: _less(run, "W1"),
        at_least=True,
    ),
    Target("W2 CPU of LiteLLM's pass-through to this relay's", 15, " ×", lambda run: _less(run, "W2"), at_least=True),
    Target("events held back until the next one, of 1,000", 0, "", lambda run: run.once.get("held_back"), digits=0),
    Target("observer, all signals, exchanges/s", 2_000, "", lambda run: run.once.get("observer_per_s"), at_least=True),
    Target("`--version`", 0.3, " s", lambda run: run.once.get("version_s"), digits=2),
    Target("ready after the start", 1.5, " s", lambda run: run.once.get("ready_s"), digits=2),
    Target("relay RSS, idle", 60, " MB", lambda run: run.idle_mb.get(PRODUCT, {}).get("relay")),
    Target(
        "W1 p99 at saturation",
        30,
        " ms",
        lambda run: _ms(
            median(_timed(run.visits.get(("W1", PRODUCT), [])), lambda visit: float(visit.seen.call["p99"]))
        ),
    ),
)


def _less(run: Run, workload: str) -> float | None:
    found = ratio(run, workload, PRODUCT, relay_cpu, to="LiteLLM")
    return None if not found else 1 / found


def _over(ours: float | None, theirs: float | None) -> float | None:
    return None if ours is None or not theirs or theirs <= 0 else ours / theirs


def _ms(us: float | None) -> float | None:
    return None if us is None else us / 1000


def targets(run: Run) -> str:
    """The table of targets."""
    lines = [target.line(run) for target in TARGETS]
    return _table(("Target", "Limit", "Measured", ""), lines)


def workload(run: Run, which: Workload) -> str:
    """The table of one workload."""
    head = (
        "Server",
        f"CPU µs per {which.unit}",
        "× nginx",
        "first byte p50 ms",
        "p99",
        "event delay p50 ms",
        "p99",
        "calls/s",
        "RSS MB",
    )
    return f"### {which.name}: {which.title}\n\n{_table(head, _lines(run, which))}"


def _lines(run: Run, which: Workload) -> Iterator[tuple[str, ...]]:
    for kind in KINDS:
        visits = run.visits.get((which.name, kind.name))
        if visits is None:
            continue
        troubles = [visit.trouble for visit in visits if visit.trouble]
        if len(troubles) == len(visits):
            yield (kind.name, troubles[0], *[""] * 7)
            continue
        timed = _timed(visits)
        times = (
            *(_percentile(timed, "first_byte", share) for share in ("p50", "p99")),
            *(_percentile(timed, "delay", share) for share in ("p50", "p99")),
            _number(median(timed, _rate), ""),
        )
        cells = (
            _cpu(visits),
            _number(ratio(run, which.name, kind.name, all_cpu), ""),
            *(times if timed else [LOADS] * len(times)),
            " + ".join(f"{value:.0f}" for value in visits[-1].rss_mb.values()) or "–",
        )
        yield (f"{kind.name}{_less_asked(kind, which)}", *cells)


def _less_asked(kind: Kind, which: Workload) -> str:
    """What a slow server is asked instead of the whole workload."""
    if kind.share == 1:
        return ""
    if which.order.rate:
        return f" ({which.scaled(kind.share).order.connections} streams only)"
    return f" ({kind.share:.0%} of the requests)"


def _cpu(visits: Sequence[Visit]) -> str:
    names = visits[0].cpu_us
    parts = [_number(median(visits, lambda visit, name=name: visit.cpu_us[name]), "") for name in names]  # type: ignore[misc]
    return " + ".join(parts) or "–"


def _timed(visits: Sequence[Visit]) -> Sequence[Visit]:
    """Those whose times of the clock are the server's."""
    return [visit for visit in visits if not (visit.trouble or visit.load_bound)]


def _rate(visit: Visit) -> float:
    return (visit.seen.complete + visit.seen.aborted) / visit.seen.elapsed_s


def _percentile(visits: Sequence[Visit], name: str, share: str) -> str:
    values = [getattr(visit.seen, name).get(share) for visit in visits]
    known = [value for value in values if value is not None]
    return f"{statistics.median(known) / 1000:.2f}" if known else "–"


def _number(value: float | None, unit: str, digits: int = 1) -> str:
    if value is None:
        return "–"
    return (f"{value:,.0f}" if value >= 100 else f"{value:.{digits}f}") + unit


def _table(head: Sequence[str], lines: Iterator[tuple[str, ...]] | Sequence[tuple[str, ...]]) -> str:
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
