"""The prompt cache: what share of prompts it holds, how often what was written is read, and tokens of every kind."""

from __future__ import annotations

from dashboards.signals.cost import COST
from dashboards.signals.signal import SELECTED, SELECTED_ENDPOINTS, Signal, increase, rate, ratio
from dashboards.signals.tokens import CACHE_CREATION, CACHE_READ, INPUT, OUTPUT

_REASONING = "proxy_tokens_reasoning_total"
_FIVE_MINUTES, _HOUR = f'{SELECTED},ttl="5m"', f'{SELECTED},ttl="1h"'


def _per_minute(counter: str, where: str = SELECTED) -> str:
    return f"sum({rate(counter, where)}) * 60"


def _grown(counter: str, by: str = "", where: str = SELECTED) -> str:
    return f"sum by ({by}) ({increase(counter, where)})"


def _flow(counter: str, by: str = "") -> str:
    return f"sum by ({by}) ({rate(counter, SELECTED)})"


def _share(read: str, plain: str, written: str) -> str:
    """What share of prompts was read from the cache; there are no writes where nobody marks prompts for caching."""
    return ratio(read, f"({read} + {plain} + ({written} or {plain} * 0))")


PER_MINUTE = (
    Signal(_per_minute(INPUT), "short", "input, uncached"),
    Signal(_per_minute(CACHE_CREATION, _FIVE_MINUTES), "short", "cache write, 5 minutes"),
    Signal(_per_minute(CACHE_CREATION, _HOUR), "short", "cache write, 1 hour"),
    Signal(_per_minute(CACHE_READ), "short", "cache read"),
    Signal(
        f"{_per_minute(OUTPUT)} - ({_per_minute(_REASONING)} or {_per_minute(OUTPUT)} * 0)", "short", "output, shown"
    ),
    Signal(_per_minute(_REASONING), "short", "output, reasoning"),
)
"""Every token once."""
BY_MODEL = (
    Signal(_grown(COST, "model"), "currencyUSD", "Cost"),
    Signal(_grown(INPUT, "model"), "short", "Input, uncached"),
    Signal(_grown(CACHE_CREATION, "model", _FIVE_MINUTES), "short", "Cache write, 5 m"),
    Signal(_grown(CACHE_CREATION, "model", _HOUR), "short", "Cache write, 1 h"),
    Signal(_grown(CACHE_READ, "model"), "short", "Cache read"),
    Signal(_grown(OUTPUT, "model"), "short", "Output"),
    Signal(_grown(_REASONING, "model"), "short", "of it reasoning"),
    Signal(
        _share(_grown(CACHE_READ, "model"), _grown(INPUT, "model"), _grown(CACHE_CREATION, "model")),
        "percentunit",
        "Cache hits",
    ),
)
"""Columns of one table."""

HITS = Signal(_share(_grown(CACHE_READ), _grown(INPUT), _grown(CACHE_CREATION)), "percentunit", "from the cache")
HITS_OVER_TIME = Signal(_share(_flow(CACHE_READ), _flow(INPUT), _flow(CACHE_CREATION)), "percentunit", "all models")
HITS_BY_MODEL = Signal(
    _share(_flow(CACHE_READ, "model"), _flow(INPUT, "model"), _flow(CACHE_CREATION, "model")),
    "percentunit",
    "{{model}}",
)
HITS_LAST_HOUR = Signal(
    f"max by (endpoint) (endpoint:proxy_cache_hits:ratio_rate1h{{{SELECTED_ENDPOINTS}}})", "percentunit", "{{endpoint}}"
)
HITS_EXPECTED = Signal(
    f"max by (endpoint) (endpoint:proxy_cache_hits:ratio_rate1d{{{SELECTED_ENDPOINTS}}})"
    " * scalar(max(objective:cache_collapse:of_usual))",
    "percentunit",
    "{{endpoint}}: too low",
)
READS_PER_WRITE = Signal(
    f"{_grown(CACHE_READ)} / ({_grown(CACHE_CREATION)} > 0)", "none", "tokens read per token written"
)
READS_PER_WRITE_BY_MODEL = Signal(
    f"{_flow(CACHE_READ, 'model')} / ({_flow(CACHE_CREATION, 'model')} > 0)", "none", "{{model}}"
)
