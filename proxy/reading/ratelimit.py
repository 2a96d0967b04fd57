"""Rate-limit headers: windows of subscriptions, per-minute limits of API keys, and how long to wait.

Unified utilizations are fractions on the wire and percents here; resets are Unix seconds here, where OpenAI and
compatible servers send the time that is left.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

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


def readings(
    headers: Headers, account: str | None, now: float
) -> tuple[tuple[WindowReading, ...], tuple[LimitReading, ...]]:
    """Return the window and per-minute readings of an answer, for an account, at a wall-clock time in seconds.

    A header that cannot be read leaves its field None; without any readable field there is no reading. At most 16
    windows are read, of any name. Resets over 400 days from `now` are nonsense and None.
    """
    account = account or UNKNOWN_ACCOUNT
    headers = tuple([field for field in headers if "ratelimit" in field[0].lower()])
    if not headers:
        return (), ()
    windows: list[WindowReading] = []
    for window, sent in _grouped(headers, _WINDOW).items():
        if window in _NOT_WINDOWS or len(windows) == MAX_WINDOWS:
            continue
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
    return tuple(windows), tuple(_limits(headers, account, now))


def ratelimit_headers(headers: Headers) -> dict[str, str]:
    """Return every header that speaks of rate limits, by lower-case name; repeated ones joined by a comma."""
    found: dict[str, str] = {}
    for name, value in headers:
        key = name.lower()
        if _RATELIMIT.fullmatch(key):
            found[key] = f"{found[key]}, {value}" if key in found else value
    return found


def retry_after(headers: Headers, now: float) -> float | None:
    """Return how many seconds to wait from `now` (Unix seconds); of several answers the longest.

    `retry-after` may be an integer, a float or an HTTP date; `retry-after-ms` is milliseconds.
    """
    waits = [_wait(name.lower(), value.strip(), now) for name, value in headers]
    return max((wait for wait in waits if wait is not None), default=None)


def _grouped(headers: Headers, pattern: re.Pattern[str]) -> dict[str, dict[str, str]]:
    """Return {name: {field: value}} of the headers whose name matches; later values win."""
    found: dict[str, dict[str, str]] = {}
    for name, value in headers:
        match = pattern.fullmatch(name.lower())
        if match:
            found.setdefault(match[1], {})[match[2]] = value.strip()
    return found


def _limits(headers: Headers, account: str, now: float) -> Iterable[LimitReading]:
    for pattern, reset in ((_LIMIT, _reset), (_OPENAI_LIMIT, _left)):
        for kind, sent in _grouped(headers, pattern).items():
            reading = LimitReading(
                account=account,
                kind=kind.replace("-", "_"),
                limit=_integer(sent.get("limit")),
                remaining=_integer(sent.get("remaining")),
                resets_at=reset(sent.get("reset"), now),
            )
            if (reading.limit, reading.remaining, reading.resets_at) != (None, None, None):
                yield reading


def _percent(text: str | None) -> float | None:
    """Return percents; a value above 2 is percents already, for fractions may exceed 1 but not by so much."""
    if text is None or not _NUMBER.fullmatch(text):
        return None
    value = float(text)
    return round(value if value > 2 else value * 100, 6)


def _integer(text: str | None) -> int | None:
    return int(text) if text is not None and _INTEGER.fullmatch(text) else None


def _reset(text: str | None, now: float) -> int | None:
    """Return Unix seconds of Unix seconds or an ISO 8601 time, rounded up: before, the reset has not happened."""
    if text is None:
        return None
    try:
        at = float(text) if _NUMBER.fullmatch(text) else _iso(text)
    except (ValueError, OverflowError):
        return None
    return math.ceil(at) if abs(at - now) <= MAX_RESET_DISTANCE_SECONDS else None


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
