"""The rate-limit windows of all accounts: the last reading of each, how long it holds, and what it foretells.

Pure state: readings in, gauges out; it is kept as one note in the ledger, so that readings survive a restart.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from proxy.exchange import Exchange, LimitReading, WindowReading
from proxy.exchange.limits import REJECTED
from proxy.names import metrics
from proxy.observer.table import Point

MOST_WINDOWS = 16
MOST_ACCOUNTS = 50
MOST_LIMITS = 16
_NAME = re.compile(r"[a-z0-9_]{1,16}")
_LENGTH = re.compile(r"(\d{1,3})([hd])(?:_|$)")
_SECONDS = {"h": 3_600, "d": 86_400}
_NOT_A_WINDOW = "overage"
_REMEMBERED_S = 8 * 86_400
"""Seconds after which what was not heard of makes room where there is none: longer than any window."""
_LIMIT_HOLDS = 300
"""Seconds that what is left of a per-minute limit is shown after its reset or reading."""


@dataclass(slots=True)
class _Window:
    utilization: float | None = None
    resets_at: int | None = None
    observed_at: int = 0
    holds_until: int = 0
    """The reset that goes with the utilization, or the longest it can hold where none was stated."""
    rejected_for: int | None = None
    """`resets_at` of the window that a cooldown was counted for; 0 if none was stated."""

    def cools(self, now: float) -> bool:
        """Whether it is a rejected window that has not been reset yet."""
        return self.rejected_for is not None and now < (self.rejected_for or self.holds_until)

    def fresh(self, now: float) -> float | None:
        """The utilization, as long as it can still be true."""
        return self.utilization if now < self.holds_until else None


@dataclass(slots=True)
class _Limit:
    limit: int | None = None
    remaining: int | None = None
    resets_at: int | None = None
    observed_at: int = 0


Held = TypeVar("Held", _Window, _Limit)


class Windows:
    """The state of all windows and per-minute limits. A response without readings changes nothing."""

    def __init__(self, main_account: str | None = None, note: str | None = None) -> None:
        """`note` is what `dump` once returned; one that cannot be read is as good as none."""
        self._main = main_account
        self._windows: dict[str, dict[str, _Window]] = {}
        self._limits: dict[str, dict[str, _Limit]] = {}
        if note is not None:
            self._load(note)

    def learn(self, exchange: Exchange) -> bool:
        """Take in the readings of an exchange; whether its credential has just entered a rejected window."""
        if not exchange.windows and not exchange.limits:
            return False
        observed_at = (exchange.started_ns + round((exchange.headers_ms or 0) * 1_000_000)) // 1_000_000_000
        refused = exchange.status == 429 or any(attempt.status == 429 for attempt in exchange.attempts)
        # A list, because every reading must be taken in.
        entered = [self._learn_window(reading, observed_at, refused) for reading in exchange.windows]
        for limit in exchange.limits:
            self._learn_limit(limit, observed_at)
        return any(entered)

    def gauges(self, now: float) -> Iterator[Point]:
        """What is known at `now` (Unix seconds)."""
        for account, windows in sorted(self._windows.items()):
            for name, window in sorted(windows.items()):
                yield from _account_gauges(account, name, window, now)
            if any(now < window.holds_until for window in windows.values()):
                cools = any(window.cools(now) for window in windows.values())
                yield metrics.CREDENTIAL_ACTIVE, (account,), int(not cools)
        for account, limits in sorted(self._limits.items()):
            for kind, limit in sorted(limits.items()):
                yield from _limit_gauges(account, kind, limit, now)
        for name, window in sorted(self._windows.get(self._main_account(now), {}).items()):
            utilization = window.fresh(now)
            if utilization is not None:
                yield metrics.USAGE_UTILIZATION, (name,), utilization
            if window.resets_at is not None:
                yield metrics.USAGE_RESETS_AT, (name,), window.resets_at

    def dump(self) -> str:
        """Everything as a note for the ledger."""
        return msgspec.json.encode(_Note(self._windows, self._limits)).decode()

    def _load(self, note: str) -> None:
        try:
            stored = msgspec.json.decode(note, type=_Note)
        except msgspec.DecodeError:
            return
        self._windows, self._limits = stored.windows, stored.limits

    def _main_account(self, now: float) -> str:
        """The one set; else the one that is fullest now; else the one heard of last."""
        if self._main is not None:
            return self._main
        best, rank = "", (-1.0, -1)
        for account, windows in sorted(self._windows.items()):
            shares = [window.fresh(now) for window in windows.values()]
            fullest = max((share for share in shares if share is not None), default=-1.0)
            candidate = (fullest, max(window.observed_at for window in windows.values()))
            if candidate > rank:
                best, rank = account, candidate
        return best

    def _learn_window(self, reading: WindowReading, observed_at: int, refused: bool) -> bool:
        if reading.window == _NOT_A_WINDOW or _NAME.fullmatch(reading.window) is None:
            return False
        windows = _place(self._windows, reading.account, reading.window, MOST_WINDOWS, observed_at)
        if windows is None:
            return False
        window = windows.setdefault(reading.window, _Window())
        # Answers of parallel requests are recorded in the order in which they end.
        if observed_at < window.observed_at:
            return False
        if reading.utilization is not None or reading.resets_at not in (None, window.resets_at):
            window.utilization = reading.utilization
        if reading.resets_at is not None:
            window.resets_at = reading.resets_at
        stated = window.resets_at if window.resets_at is not None and window.resets_at > observed_at else None
        window.holds_until = reading.resets_at or stated or observed_at + _length(reading.window)
        window.observed_at = observed_at
        return _enters(window, reading.status, refused)

    def _learn_limit(self, reading: LimitReading, observed_at: int) -> None:
        if _NAME.fullmatch(reading.kind) is None:
            return
        limits = _place(self._limits, reading.account, reading.kind, MOST_LIMITS, observed_at)
        if limits is None:
            return
        limit = limits.setdefault(reading.kind, _Limit())
        if observed_at >= limit.observed_at:
            limits[reading.kind] = _Limit(reading.limit, reading.remaining, reading.resets_at, observed_at)


class _Note(msgspec.Struct):
    windows: dict[str, dict[str, _Window]]
    limits: dict[str, dict[str, _Limit]]


def _place(
    accounts: dict[str, dict[str, Held]], account: str, name: str, most_names: int, at: int
) -> dict[str, Held] | None:
    """Where an account's reading of that name belongs; None when there is no room for another account or name."""
    if name in accounts.get(account, ()):
        return accounts[account]
    if not _room(accounts, account, name, most_names):
        _forget(accounts, at - _REMEMBERED_S)
        if not _room(accounts, account, name, most_names):
            return None
    return accounts.setdefault(account, {})


def _room(accounts: dict[str, dict[str, Held]], account: str, name: str, most_names: int) -> bool:
    names = {known for held in accounts.values() for known in held}
    return (account in accounts or len(accounts) < MOST_ACCOUNTS) and (name in names or len(names) < most_names)


def _forget(accounts: dict[str, dict[str, Held]], before: int) -> None:
    for account, held in list(accounts.items()):
        accounts[account] = {name: one for name, one in held.items() if one.observed_at >= before}
        if not accounts[account]:
            del accounts[account]


def _enters(window: _Window, status: str | None, refused: bool) -> bool:
    """Whether a rejected window begins here: a rejection that is paid for by overage refuses nothing."""
    if status == REJECTED and refused and window.rejected_for != (window.resets_at or 0):
        window.rejected_for = window.resets_at or 0
        return True
    if status not in (REJECTED, None):
        window.rejected_for = None
    return False


def _length(name: str) -> int:
    """Seconds from a name like `5h` or `7d_oi`; a day where the name does not say."""
    found = _LENGTH.match(name)
    return _SECONDS["d"] if found is None else int(found[1]) * _SECONDS[found[2]]


def _account_gauges(account: str, name: str, window: _Window, now: float) -> Iterator[Point]:
    labels = (account, name)
    utilization = window.fresh(now)
    if utilization is not None:
        yield metrics.ACCOUNT_UTILIZATION, labels, utilization
        exhausts_at = _exhausts_at(window, utilization, _length(name))
        if exhausts_at is not None:
            yield metrics.ACCOUNT_EXHAUSTS_AT, labels, exhausts_at
    if window.resets_at is not None:
        yield metrics.ACCOUNT_RESETS_AT, labels, window.resets_at
    yield metrics.ACCOUNT_OBSERVED_AT, labels, window.observed_at


def _exhausts_at(window: _Window, utilization: float, length: int) -> int | None:
    """When the window is full at the mean pace since it began; None when it lasts to its reset."""
    if window.resets_at is None:
        return None
    if utilization >= 100:
        return window.observed_at
    elapsed = window.observed_at - (window.resets_at - length)
    if utilization <= 0 or elapsed <= 0:
        return None
    full_at = window.observed_at + round(elapsed * (100 - utilization) / utilization)
    return full_at if full_at < window.resets_at else None


def _limit_gauges(account: str, kind: str, limit: _Limit, now: float) -> Iterator[Point]:
    if limit.limit is not None:
        yield metrics.RATELIMIT_LIMIT, (account, kind), limit.limit
    if limit.remaining is not None and now < max(limit.resets_at or 0, limit.observed_at) + _LIMIT_HOLDS:
        yield metrics.RATELIMIT_REMAINING, (account, kind), limit.remaining
