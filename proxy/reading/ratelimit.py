"""Rate-limit headers: windows of subscriptions, per-minute limits of API keys, and how long to wait.

Unified utilizations are fractions on the wire and percents here; resets are Unix seconds here, where OpenAI and
compatible servers send the time that is left.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import NamedTuple

from proxy.exchange import Headers, LimitReading, WindowReading

MAX_WINDOWS = 16
MAX_RESET_DISTANCE_SECONDS = 400 * 24 * 3600
UNKNOWN_ACCOUNT = "unknown"

_WINDOW = re.compile(r"anthropic-ratelimit-unified-([a-z0-9_]{1,16})-(utilization|reset|status)")
_NOT_WINDOWS = frozenset({"overage", "fallback", "representative", "grace", "slow"})
_LIMIT = re.compile(r"anthropic-ratelimit-(requests|tokens|input-tokens|output-tokens)-(limit|remaining|reset)")
_OPENAI_LIMIT = re.compile(r"x-ratelimit-(?=[a-z]+-(requests|tokens)$)(limit|remaining|reset)-.*")
_RATELIMIT = re.compile(
    r"(anthropic-(ratelimit|priority|fast)-|x-ratelimit-|x-codex-).*|retry-after(-ms)?|x-should-retry"
)
_NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]{1,20})?")
_DURATION = re.compile(
    r"(?=[0-9])(?:([0-9]{1,5})h)?(?:([0-9]{1,5})m(?!s))?(?:([0-9]{1,9}(?:\.[0-9]{1,9})?)s)?(?:([0-9]{1,9}(?:\.[0-9]{1,9})?)ms)?"
)
"""As Go writes them: `6m0s`, `1h30m`, `33.023s`, `547ms`."""
_INTEGER = re.compile(r"-?[0-9]{1,15}")
_STATUS = re.compile(r"[a-z_]{1,32}")
_LONGEST = 65
"""Characters of a value; longer ones say nothing that can be read."""
_VALUES = 256
"""Values that are read once: most are the same for many answers."""
_NAMINGS = 64
"""Lists of header names whose meaning is remembered: the answers of one server mostly have the same."""


_Places = Mapping[str, Mapping[str, int]]
"""By what a header speaks of, the place of each field that is stated of it; the last one counts."""


class _Named(NamedTuple):
    """What the names of an answer's headers speak of."""

    windows: _Places
    limits: _Places
    left: _Places
    """Limits whose reset is the time that is left."""
    speaking: Sequence[tuple[int, str]]
    """Places and names of all that speak of rate limits."""


def readings(
    headers: Headers, account: str | None, now: float
) -> tuple[tuple[WindowReading, ...], tuple[LimitReading, ...]]:
    """Return the window and per-minute readings of an answer, for an account, at a wall-clock time in seconds.

    A header that cannot be read leaves its field None; without any readable field there is no reading. At most 16
    windows are read, of any name. Resets over 400 days from `now` are nonsense and None.
    """
    account = account or UNKNOWN_ACCOUNT
    named = _named(headers)
    if not (named.windows or named.limits or named.left):
        return (), ()
    windows: list[WindowReading] = []
    for window, places in named.windows.items():
        if window in _NOT_WINDOWS or len(windows) == MAX_WINDOWS:
            continue
        sent = _sent(headers, places)
        status = sent.get("status", "")
        reading = WindowReading(
            account=account,
            window=window,
            utilization=_percent(sent.get("utilization")),
            resets_at=_reset(sent.get("reset"), now),
            status=status if _STATUS.fullmatch(status) else None,
        )
        if (reading.utilization, reading.resets_at, reading.status) != (None, None, None):
            windows.append(reading)
    return tuple(windows), tuple(_limits(headers, named, account, now))


def ratelimit_headers(headers: Headers) -> dict[str, str]:
    """Return every header that speaks of rate limits, by lower-case name; repeated ones joined by a comma."""
    found: dict[str, str] = {}
    for place, name in _named(headers).speaking:
        value = headers[place][1]
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def retry_after(headers: Headers, now: float) -> float | None:
    """Return how many seconds to wait from `now` (Unix seconds); of several answers the longest.

    `retry-after` may be an integer, a float or an HTTP date; `retry-after-ms` is milliseconds.
    """
    waits = [_wait(name.lower(), value.strip(), now) for name, value in headers]
    return max((wait for wait in waits if wait is not None), default=None)


def _named(headers: Headers) -> _Named:
    return _meaning(tuple([name for name, _ in headers]))


@lru_cache(_NAMINGS)
def _meaning(names: tuple[str, ...]) -> _Named:
    lowered = [name.lower() for name in names]
    speaking = [(place, name) for place, name in enumerate(lowered) if _RATELIMIT.fullmatch(name)]
    return _Named(_places(lowered, _WINDOW), _places(lowered, _LIMIT), _places(lowered, _OPENAI_LIMIT), speaking)


def _places(names: Sequence[str], pattern: re.Pattern[str]) -> _Places:
    found: dict[str, dict[str, int]] = {}
    for place, name in enumerate(names):
        match = pattern.fullmatch(name)
        if match:
            found.setdefault(match[1], {})[match[2]] = place
    return found


def _sent(headers: Headers, places: Mapping[str, int]) -> dict[str, str]:
    return {field: headers[place][1].strip()[:_LONGEST] for field, place in places.items()}


def _limits(headers: Headers, named: _Named, account: str, now: float) -> Iterable[LimitReading]:
    for limits, reset in ((named.limits, _reset), (named.left, _left)):
        for kind, places in limits.items():
            sent = _sent(headers, places)
            reading = LimitReading(
                account=account,
                kind=kind.replace("-", "_"),
                limit=_integer(sent.get("limit")),
                remaining=_integer(sent.get("remaining")),
                resets_at=reset(sent.get("reset"), now),
            )
            if (reading.limit, reading.remaining, reading.resets_at) != (None, None, None):
                yield reading


@lru_cache(_VALUES)
def _percent(text: str | None) -> float | None:
    """Return percents; a value above 2 is percents already, for fractions may exceed 1 but not by so much."""
    if text is None or not _NUMBER.fullmatch(text):
        return None
    value = float(text)
    return round(value if value > 2 else value * 100, 6)


@lru_cache(_VALUES)
def _integer(text: str | None) -> int | None:
    return int(text) if text is not None and _INTEGER.fullmatch(text) else None


def _reset(text: str | None, now: float) -> int | None:
    """Return Unix seconds of Unix seconds or an ISO 8601 time, rounded up: before, the reset has not happened."""
    at = None if text is None else _instant(text)
    return math.ceil(at) if at is not None and abs(at - now) <= MAX_RESET_DISTANCE_SECONDS else None


@lru_cache(_VALUES)
def _instant(text: str) -> float | None:
    try:
        return float(text) if _NUMBER.fullmatch(text) else _iso(text)
    except (ValueError, OverflowError):
        return None


def _left(text: str | None, now: float) -> int | None:
    """Return Unix seconds of a time that is left: a Go duration, or plain seconds as Azure sends them."""
    if text is None:
        return None
    parts = _DURATION.fullmatch(text)
    if _NUMBER.fullmatch(text):
        seconds = float(text)
    elif parts:
        hours, minutes, rest, milliseconds = (float(part or 0) for part in parts.groups())
        seconds = hours * 3600 + minutes * 60 + rest + milliseconds / 1000
    else:
        return None
    return math.ceil(now + seconds) if seconds <= MAX_RESET_DISTANCE_SECONDS else None


def _iso(text: str) -> float:
    when = datetime.fromisoformat(text)
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def _wait(name: str, value: str, now: float) -> float | None:
    if name == "retry-after-ms" and _NUMBER.fullmatch(value):
        return float(value) / 1000
    if name != "retry-after":
        return None
    if _NUMBER.fullmatch(value):
        return float(value)
    try:
        when = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return max(0.0, (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() - now)
