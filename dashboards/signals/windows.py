"""Rate-limit windows of the main account: how full they are, and what was used in them since they began.

A window lasts from its reset back by its length, so its beginning is known from `proxy_usage_resets_at` alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from dashboards.signals import tokens
from dashboards.signals.signal import COMPLETED, SELECTED, Signal, Source


@dataclass(frozen=True, slots=True)
class Window:
    """A window that every subscription has."""

    name: str
    seconds: int

    @property
    def age(self) -> str:
        """The time since it began, by way of a variable."""
        return f"${{window_age_{self.name}}}s"


FIVE_HOURS = Window("5h", 18_000)
SEVEN_DAYS = Window("7d", 604_800)

_PROMPT = (tokens.INPUT, tokens.CACHE_CREATION, tokens.CACHE_READ)
_ANSWER = (tokens.OUTPUT,)


def age(window: Window) -> str:
    """Whole seconds since the window began, from 1 to its length; its length while nothing is known.

    Once the reset has passed without a new reading, the next window is taken to have begun with it.
    """
    reset = f'max(last_over_time(proxy_usage_resets_at{{window="{window.name}"}}[{window.name}]))'
    length = window.seconds
    return f"floor(clamp(time() - {reset} + {length} * ({reset} > bool time()), 1, {length})) or vector({length})"


def utilization(window: Window) -> Signal:
    """Percent of the window used; absent once it has been reset."""
    return Signal(f'max(proxy_usage_utilization{{window="{window.name}"}})', "percent", window.name)


def resets_in(window: Window) -> Signal:
    """Seconds until the window begins again."""
    reset = f'max(proxy_usage_resets_at{{window="{window.name}"}})'
    return Signal(f"{reset} - time() > 0", "s", window.name)


def total(window: Window, field: str) -> Signal:
    """Sum of a token field of the log lines since the window began."""
    summed = f'sum_over_time({COMPLETED} | unwrap {field} | __error__="" [{window.age}])'
    return Signal(f"sum({summed})", "short", f"{window.name} window", Source.LOKI)


def prompt(window: Window) -> list[Signal]:
    """Tokens sent since the window began, at each moment in it: the total, what of it the cache took, and by model."""
    return [
        Signal(f"sum({_grown(_PROMPT, window)})", "short", "IN: total"),
        Signal(f"sum({_grown((tokens.CACHE_CREATION,), window)})", "short", "IN: cache writes"),
        Signal(f"sum({_grown((tokens.CACHE_READ,), window)})", "short", "IN: cache reads"),
        Signal(f"sum by (model) ({_grown(_PROMPT, window)})", "short", "IN: {{model}}"),
    ]


def answer(window: Window) -> list[Signal]:
    """Tokens received since the window began, at each moment in it: the total, and by model."""
    return [
        Signal(f"sum({_grown(_ANSWER, window)})", "short", "OUT: total"),
        Signal(f"sum by (model) ({_grown(_ANSWER, window)})", "short", "OUT: {{model}}"),
    ]


def _grown(counters: tuple[str, ...], window: Window) -> str:
    """Growth of every series since the window began; for panels whose time begins with the window.

    Counters of equal labels are told apart by one more label, or `or` would drop all but one.
    """
    parts = [_since_start(f"{counter}{{{SELECTED}}}", window) for counter in counters]
    if len(parts) == 1:
        return parts[0]
    return " or ".join(f'label_replace({part}, "of", "{counters[n]}", "", "")' for n, part in enumerate(parts))


def _since_start(series: str, window: Window) -> str:
    """Totals never restart: what was there before the window is the base, else the first value in it, 0 when new."""
    now = f"last_over_time({series}[{window.age}])"
    before = f"last_over_time({series}[1d] @ start())"
    return f"{now} - ({before} or min_over_time({series}[{window.age}] @ end()))"
