"""Rate-limit windows of the main account: how full they are, and what was used in them since they began.

A window lasts from its reset back by its length, so its beginning is known from `proxy_usage_resets_at` alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from dashboards.signals.signal import SERVICE, Signal, Source


@dataclass(frozen=True, slots=True)
class Window:
    """A window that every subscription has."""

    name: str
    seconds: int

    @property
    def age(self) -> str:
        """The variable that holds the seconds since it began."""
        return f"${{window_age_{self.name}}}s"


FIVE_HOURS = Window("5h", 18_000)
SEVEN_DAYS = Window("7d", 604_800)

TOKEN_COUNTERS = {"IN": ("input", "cache_creation", "cache_read"), "OUT": ("output",)}


def age(window: Window) -> str:
    """Whole seconds since the window began, within 1 and its length; its length while nothing is known."""
    reset = f'max(last_over_time(proxy_usage_resets_at{{window="{window.name}"}}[{window.name}]))'
    length = window.seconds
    return f"floor(clamp(time() - {reset} + {length} * ({reset} > bool time()), 1, {length})) or vector({length})"


def utilization(window: Window) -> Signal:
    """Percent of the window used; absent once it has been reset."""
    return Signal(f'max(proxy_usage_utilization{{window="{window.name}"}})', "percent", window.name)


def tokens(window: Window, field: str) -> Signal:
    """Sum of a token field of the logs since the window began."""
    query = f'{SERVICE} |= "completed" | model=~"$model" | unwrap {field} | __error__=""'
    return Signal(f"sum(sum_over_time({query} [{window.age}]))", "short", f"{window.name} window", Source.LOKI)


def cumulative(window: Window, direction: str, *, by_model: bool) -> Signal:
    """Tokens since the window began, at each moment in it; for panels whose time begins with the window.

    The base of a series is its last value before the window, else its first in it: totals never restart, and a new
    series begins with 0.
    """
    parts = [_since_start(f"proxy_tokens_{kind}_total", window) for kind in TOKEN_COUNTERS[direction]]
    series = " or ".join(f'label_replace({part}, "part", "{n}", "", "")' for n, part in enumerate(parts))
    if by_model:
        return Signal(f"sum by (model) ({series})", "short", f"{direction}: {{{{model}}}}")
    return Signal(f"sum({series})", "short", f"{direction}: total")


def _since_start(counter: str, window: Window) -> str:
    selected = f'{counter}{{model=~"$model"}}'
    before = f"last_over_time({selected}[1d] @ start())"
    return f"{selected} - ({before} or min_over_time({selected}[{window.age}] @ end()))"
