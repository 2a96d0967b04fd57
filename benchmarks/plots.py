"""Two pictures of a run, drawn as SVG by hand: bars on a logarithmic scale need no plotting package of 60 MB."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from pathlib import Path

from benchmarks.measure import Run, Visit
from benchmarks.peers import KINDS, PRODUCT
from benchmarks.report import all_cpu, median

_NAMES, _BARS, _NUMBERS, _ROW, _HEAD = 150, 330, 70, 18, 26
_STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#24292f}.title{font-weight:600}.bar{fill:#8c959f}.ours{fill:#2f6fde}"
    "@media(prefers-color-scheme:dark){text{fill:#d1d7e0}.bar{fill:#6e7681}.ours{fill:#6ea0ff}}"
)

SHOWN = """![CPU time per call or event of every server](performance-cpu.svg)

![p99 delay of an event](performance-delay.svg)"""
"""Both pictures on a page beside them."""


def write(run: Run, folder: Path) -> None:
    """Draws `performance-cpu.svg` and `performance-delay.svg` into the folder."""
    cpu = {f"{w.name}: {w.title}, µs per {w.unit}": _found(run, w.name, all_cpu) for w in run.workloads}
    paced = [workload for workload in run.workloads if workload.order.rate]
    delay = {f"{w.name}: {w.title}, ms": _found(run, w.name, _delay_ms) for w in paced}
    (folder / "performance-cpu.svg").write_text(drawn("CPU time", cpu), "utf-8")
    (folder / "performance-delay.svg").write_text(drawn("p99 delay of an event", delay), "utf-8")


def drawn(title: str, panels: Mapping[str, Sequence[tuple[str, float]]]) -> str:
    """An SVG document with one group of bars, name and value each, under the title of each panel that has any."""
    parts: list[str] = []
    y = _HEAD
    for name, bars in panels.items():
        if not bars:
            continue
        parts.append(f'<text class="title" x="0" y="{y + 14}">{escape(name)}</text>')
        y += _HEAD
        parts.extend(_bars(bars, y))
        y += _ROW * len(bars) + 12
    width = _NAMES + _BARS + _NUMBERS
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y}" width="{width}" role="img">'
    title = escape(title)
    return f"{head}<title>{title}</title><style>{_STYLE}</style>{''.join(parts)}</svg>\n"


def _bars(bars: Sequence[tuple[str, float]], top: int) -> Iterator[str]:
    low, high = min(value for _, value in bars) / 2, max(value for _, value in bars)
    for row, (name, value) in enumerate(bars):
        y = top + row * _ROW
        length = _BARS * math.log(value / low) / math.log(high / low)
        kind = "bar ours" if name.startswith(PRODUCT) else "bar"
        yield f'<text x="{_NAMES - 8}" y="{y + 12}" text-anchor="end">{escape(name)}</text>'
        yield f'<rect class="{kind}" x="{_NAMES}" y="{y + 2}" width="{length:.1f}" height="{_ROW - 5}" rx="2"/>'
        yield f'<text x="{_NAMES + length + 5:.1f}" y="{y + 12}">{_number(value)}</text>'


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _found(run: Run, workload: str, figure: Callable[[Visit], float]) -> list[tuple[str, float]]:
    medians = ((kind.name, median(run.visits.get((workload, kind.name), []), figure)) for kind in KINDS)
    return [(name, value) for name, value in medians if value]


def _delay_ms(visit: Visit) -> float:
    return visit.seen.delay.get("p99", 0) / 1000
