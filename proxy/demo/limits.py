"""Rate limits per caller: unified windows for subscriptions, per-minute buckets for API keys.

Utilization rises with use and never falls before the window ends; readings are the only part of an answer that depends
on what was asked before.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import TypeVar

from proxy.demo.chance import seeded
from proxy.demo.shapes import Pairs
from proxy.demo.weight import PromptTokens

_T = TypeVar("_T")

MAX_CALLERS = 256
UNIFIED = "anthropic-ratelimit-unified-"
WINDOW_SECONDS = {"5h": 5 * 3_600, "7d": 7 * 86_400, "7d_oi": 7 * 86_400}
WINDOW_BUDGETS = {"5h": 4_000_000, "7d": 30_000_000, "7d_oi": 12_000_000}
"""Weighted tokens after which utilization has covered 63 % of the way to 1."""
WARNING = 0.9
REJECTED_SECONDS = 900
"""How far away the reset of a rejected window is."""
PER_MINUTE = {"requests": 4_000, "input-tokens": 2_000_000, "output-tokens": 400_000}
CLAIMS = {"5h": "five_hour", "7d": "seven_day", "7d_oi": "seven_day_overage_included"}


@dataclass(frozen=True)
class Caller:
    """Who asks, told from the credential."""

    account: str
    """A hash of the credential."""
    oauth: bool
    known: bool = True
    """False without any credential."""


def caller_of(headers: dict[str, str]) -> Caller:
    """The caller of a request; `headers` has lower-case names."""
    credential = headers.get("authorization", "").removeprefix("Bearer ") or headers.get("x-api-key", "")
    account = sha256(credential.encode()).hexdigest()[:16]
    return Caller(account, credential.startswith("sk-ant-oat"), known=bool(credential))


@dataclass
class _Window:
    resets_at: float
    utilization: float

    def use(self, name: str, tokens: float, now: float) -> None:
        if now >= self.resets_at:
            self.restart(name, now)
        self.utilization += (1 - self.utilization) * (1 - math.exp(-tokens / WINDOW_BUDGETS[name]))

    def restart(self, name: str, now: float) -> None:
        self.resets_at, self.utilization = now + WINDOW_SECONDS[name], 0.0


@dataclass
class _Bucket:
    used: float
    at: float

    def use(self, amount: float, limit: int, now: float) -> None:
        self.used = min(limit, max(0.0, self.used - (now - self.at) * limit / 60) + amount)
        self.at = now


class Limits:
    """The limits of every caller; `clock` gives Unix seconds."""

    def __init__(self, seed: int, clock: Callable[[], float]) -> None:
        self._seed = seed
        self._clock = clock
        self._windows: OrderedDict[str, dict[str, _Window]] = OrderedDict()
        self._buckets: OrderedDict[str, dict[str, _Bucket]] = OrderedDict()

    def charge(self, caller: Caller, prompt: PromptTokens, output_tokens: int) -> None:
        """Count one answered request; cache reads weigh little in windows and nothing per minute."""
        now = self._clock()
        written = prompt.cache_write_5m * 1.25 + prompt.cache_write_1h * 2
        weighted = prompt.uncached + written + prompt.cache_read * 0.1 + output_tokens * 5
        if caller.oauth:
            for name, window in self._windows_of(caller).items():
                window.use(name, weighted, now)
            return
        fresh = prompt.total - prompt.cache_read
        amounts = {"requests": 1, "input-tokens": fresh, "output-tokens": output_tokens}
        for name, bucket in self._buckets_of(caller).items():
            bucket.use(amounts[name], PER_MINUTE[name], now)

    def headers(self, caller: Caller, model: str) -> Pairs:
        """The header lines of an answer that is not refused for a limit."""
        if not caller.oauth:
            return self._minute_headers(caller)
        windows = {name: w for name, w in self._windows_of(caller).items() if name != "7d_oi" or _is_large(model)}
        return _unified(windows, rejected=None)

    def exhausted(self, caller: Caller) -> Pairs:
        """The per-minute header lines of a 429: no requests remaining."""
        now = self._clock()
        self._buckets_of(caller)["requests"].use(PER_MINUTE["requests"], PER_MINUTE["requests"], now)
        return self._minute_headers(caller)

    def rejected(self, caller: Caller) -> Pairs:
        """The unified header lines of a 429: the 5h window is full. The caller's next request opens a new one."""
        now = self._clock()
        windows = self._windows_of(caller)
        shown = windows | {"5h": _Window(now + REJECTED_SECONDS, 1.0)}
        windows["5h"].restart("5h", now)
        return [*_unified(shown, rejected="5h"), ("retry-after", str(REJECTED_SECONDS))]

    def openai_headers(self, caller: Caller, *, exhausted: bool = False) -> Pairs:
        """The header lines of an answer in OpenAI's dialect; resets as the time that is left."""
        lines: Pairs = []
        now = self._clock()
        for name, kind in (("requests", "requests"), ("input-tokens", "tokens")):
            bucket, limit = self._buckets_of(caller)[name], PER_MINUTE[name]
            if exhausted and name == "requests":
                bucket.use(limit, limit, now)
            left = bucket.used / limit * 60
            stem = "x-ratelimit-{}-" + kind
            lines += [(stem.format("limit"), str(limit)), (stem.format("remaining"), str(int(limit - bucket.used)))]
            minutes = f"{int(left // 60)}m" if left >= 60 else ""
            lines.append((stem.format("reset"), f"{minutes}{left % 60:.3f}s"))
        return lines

    def _minute_headers(self, caller: Caller) -> Pairs:
        now = self._clock()
        lines: Pairs = []
        totals = {"limit": 0, "remaining": 0}
        for name, bucket in self._buckets_of(caller).items():
            limit = PER_MINUTE[name]
            remaining = int(limit - bucket.used)
            if name != "requests":
                remaining = remaining // 1_000 * 1_000
                totals["limit"] += limit
                totals["remaining"] += remaining
            lines += _bucket_lines(name, limit, remaining, now + bucket.used / limit * 60)
        return lines + _bucket_lines("tokens", totals["limit"], totals["remaining"], now)

    def _windows_of(self, caller: Caller) -> dict[str, _Window]:
        known = self._windows.get(caller.account)
        if known is None:
            random, now = seeded(self._seed, "windows", caller.account), self._clock()
            known = {
                name: _Window(now + seconds * random.uniform(0.3, 0.9), random.uniform(0.1, 0.4))
                for name, seconds in WINDOW_SECONDS.items()
            }
            _remember(self._windows, caller.account, known)
        return known

    def _buckets_of(self, caller: Caller) -> dict[str, _Bucket]:
        known = self._buckets.get(caller.account)
        if known is None:
            known = {name: _Bucket(0.0, self._clock()) for name in PER_MINUTE}
            _remember(self._buckets, caller.account, known)
        return known


def _remember(table: OrderedDict[str, _T], key: str, value: _T) -> None:
    table[key] = value
    if len(table) > MAX_CALLERS:
        table.popitem(last=False)


def _unified(windows: dict[str, _Window], rejected: str | None) -> Pairs:
    statuses = {name: _status(window, name == rejected) for name, window in windows.items()}
    binding = rejected or max(windows, key=lambda name: windows[name].utilization)
    lines = [(f"{UNIFIED}status", statuses[binding])]
    for name, window in windows.items():
        lines.append((f"{UNIFIED}{name}-status", statuses[name]))
        lines.append((f"{UNIFIED}{name}-utilization", f"{window.utilization:.4f}"))
        lines.append((f"{UNIFIED}{name}-reset", str(int(window.resets_at))))
        if window.utilization >= WARNING:
            lines.append((f"{UNIFIED}{name}-surpassed-threshold", str(1.0 if name == rejected else WARNING)))
    binding_lines = [
        (f"{UNIFIED}representative-claim", CLAIMS[binding]),
        (f"{UNIFIED}reset", str(int(windows[binding].resets_at))),
        (f"{UNIFIED}fallback", "available"),
        (f"{UNIFIED}fallback-percentage", "0.5"),
        (f"{UNIFIED}overage-status", "rejected"),
        (f"{UNIFIED}overage-disabled-reason", "out_of_credits"),
    ]
    return lines + binding_lines


def _status(window: _Window, is_rejected: bool) -> str:
    if is_rejected:
        return "rejected"
    return "allowed_warning" if window.utilization >= WARNING else "allowed"


def _bucket_lines(name: str, limit: int, remaining: int, resets_at: float) -> Pairs:
    stem = f"anthropic-ratelimit-{name}-"
    reset = datetime.fromtimestamp(math.ceil(resets_at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return [(stem + "limit", str(limit)), (stem + "remaining", str(remaining)), (stem + "reset", reset)]


def _is_large(model: str) -> bool:
    return "opus" in model or "fable" in model
