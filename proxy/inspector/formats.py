"""How values look on a page: tokens, money, durations, sizes, times. None, that is "not known", is always "—"."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

UNKNOWN = "—"


def count(value: int | None) -> str:
    """A whole number with thousands separators."""
    return UNKNOWN if value is None else f"{value:,}"


def usd(value: Decimal | float | None) -> str:
    """An amount in US dollars: four decimals, six for what would otherwise read as nothing."""
    if value is None:
        return UNKNOWN
    places = 6 if 0 < abs(float(value)) < 0.001 else 4
    return f"${value:,.{places}f}"


def usd_exact(value: Decimal | None) -> str:
    """An amount with every digit it has, at least two decimals."""
    if value is None:
        return UNKNOWN
    text = f"{value.normalize():,f}"
    whole, _, fraction = text.partition(".")
    return f"${whole}.{fraction.ljust(2, '0')}"


def milliseconds(value: float | None) -> str:
    """A duration given in milliseconds, in the unit a reader would choose."""
    if value is None:
        return UNKNOWN
    if value < 10:
        return f"{value:.2f} ms"
    if value < 999.5:
        return f"{value:.0f} ms"
    if value < 59_995:
        return f"{value / 1000:.2f} s"
    minutes, seconds = divmod(round(value / 1000), 60)
    return f"{minutes} min {seconds:02} s"


def rate(value: float | None) -> str:
    """Tokens per second."""
    return UNKNOWN if value is None else f"{value:,.1f} tok/s"


def percent(value: float | None) -> str:
    """A share given in percent."""
    return UNKNOWN if value is None else f"{value:.4g} %"


def size(value: int | None) -> str:
    """A number of bytes in decimal units."""
    if value is None:
        return UNKNOWN
    if value < 1000:
        return f"{value} B"
    amount = float(value)
    for unit in ("kB", "MB"):
        amount /= 1000
        if amount < 999.5:
            return f"{amount:.3g} {unit}"
    return f"{amount / 1000:.3g} GB"


def rfc3339(nanoseconds: int) -> str:
    """A wall-clock time as RFC 3339 UTC with milliseconds."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{rest // 1_000_000:03}Z"


def utc(nanoseconds: int) -> str:
    """A wall-clock time for reading, in UTC with milliseconds."""
    return rfc3339(nanoseconds).replace("T", " ").replace("Z", " UTC")


def utc_seconds(seconds: int | None) -> str:
    """Unix seconds as a time for reading, in UTC."""
    if seconds is None or not 0 <= seconds < 253_402_300_800:
        return UNKNOWN
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
