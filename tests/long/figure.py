"""A promise with a number: what was asked, what was measured, and whether it holds."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.kit.process import Proxy

MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Figure:
    """One line of the table."""

    what: str
    required: str
    measured: str
    held: bool


@dataclass(frozen=True)
class Run:
    """How and where the runs are made."""

    folder: Path
    quick: bool
    say: Callable[[str], None]
    """Tells a person how far it is."""

    def of(self, full: int, quick: int) -> int:
        """The size of a run."""
        return quick if self.quick else full

    def place(self, name: str) -> Path:
        """A folder of its own for one proxy."""
        place = self.folder / name
        place.mkdir()
        return place


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that so many per cent of all do not exceed. ValueError for no values."""
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-len(ordered) * round(share * 10) // 1000) - 1))]


def slope(points: Sequence[tuple[float, float]]) -> float:
    """The slope of the straight line that fits best (least squares)."""
    x0 = sum(x for x, _ in points) / len(points)
    y0 = sum(y for _, y in points) / len(points)
    spread = sum((x - x0) ** 2 for x, _ in points)
    return sum((x - x0) * (y - y0) for x, y in points) / spread if spread else 0.0


def memory(proxy: Proxy) -> dict[str, float]:
    """Resident megabytes of each relay and of the observer."""
    return {name: psutil.Process(proxy.pid(name)).memory_info().rss / MEGABYTE for name in (*proxy.relays, "observer")}


def megabytes(sizes: Mapping[str, float]) -> str:
    """`relay 61 MB, observer 80 MB`."""
    return ", ".join(f"{name} {size:.0f} MB" for name, size in sizes.items())


@contextlib.contextmanager
def timed() -> Iterator[Callable[[], float]]:
    """Yields what tells the seconds since."""
    began = time.monotonic()
    yield lambda: time.monotonic() - began
