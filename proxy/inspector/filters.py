"""What a reader asks to see: query parameters, checked, as a filter of the ledger, and back into addresses.

The same names serve the page, the JSON API and the exports.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode

from proxy.exchange import Outcome
from proxy.ledger.filters import Filter

PAGE_ROWS = 100
MAX_ROWS = 1000
FAILURES = "failed"
"""The outcome filter that means: finished in any other way than `ok`."""

OUTCOMES = (FAILURES, "open", *(outcome.value for outcome in Outcome))
STATUSES = ("200", "2xx", "3xx", "4xx", "5xx", "none")
"""What the page offers; any status code may be asked for."""
OPERATIONS = (
    "all", "messages", "chat", "responses", "embeddings", "images", "count_tokens", "batches", "files", "models",
    "other",
)  # fmt: skip
"""Besides "model calls", which is what no operation at all means."""

DESCRIPTIONS = {
    "model": "Part of the name of the model asked for or answered by.",
    "from": "Requests accepted at or after this time: RFC 3339 (UTC without a zone), a date, or an age such as 24h.",
    "to": "Requests accepted before this time; the same forms as `from`.",
    "status": "An HTTP status, a class such as 4xx, or none.",
    "outcome": f"How the request ended, {FAILURES} for every way but ok, or open.",
    "endpoint": "Name of an endpoint of the settings.",
    "operation": "One operation, or all; without it model calls only.",
    "session_id": "Session named by the client.",
    "key": "Name of a key, or the fingerprint of a caller's credential.",
    "finish_reason": "Why the model stopped, as on the wire.",
    "request_id": "The proxy's request id, the provider's, or a message id; searches all operations by itself.",
}
"""Every filter parameter, with what it means."""

_CURSOR = re.compile(r"px_[0-9A-HJKMNP-TV-Z]{26}")
AGE = re.compile(r"(\d{1,5})(m|h|d)")
"""A time counted back from now."""
_AGE_SECONDS = {"m": 60, "h": 3600, "d": 86400}
_MAX_VALUE = 256
_LATEST_NS = 2**62
"""In the year 2116; the ledger's integers end in 2262."""


class BadParameter(ValueError):
    """A parameter that cannot be used; the text is one sentence for the reader."""


@dataclass(frozen=True, slots=True)
class View:
    """One checked question to the request log."""

    where: Filter
    given: Mapping[str, str]
    """The filter parameters as they were given, empty ones left out."""
    before: str | None = None
    """Keyset cursor: only requests accepted before this one."""
    after: str | None = None
    """Keyset cursor: only requests accepted after this one."""
    limit: int = PAGE_ROWS

    @property
    def narrowed(self) -> bool:
        """Whether any filter is set."""
        return bool(self.given)

    def address(self, path: str, **changed: str | None) -> str:
        """A link to this view with some parameters changed, None to leave one out; cursors are always left out."""
        wanted = {**self.given, **({"limit": str(self.limit)} if self.limit != PAGE_ROWS else {}), **changed}
        query = urlencode({name: value for name, value in wanted.items() if value is not None})
        return f"{path}?{query}" if query else path


def view(parameters: Mapping[str, str], now_ns: int) -> View:
    """The checked question in some query parameters.

    Raises BadParameter, one sentence, for the first one that makes no sense; unknown names are ignored.
    """
    given = {name: parameters[name].strip() for name in DESCRIPTIONS if parameters.get(name, "").strip()}
    for name, value in given.items():
        if len(value) > _MAX_VALUE or not value.isprintable():
            raise BadParameter(f"'{name}' must be at most {_MAX_VALUE} printable characters.")
    return View(
        where=_filter(given, now_ns),
        given=given,
        before=_cursor(parameters, "before"),
        after=_cursor(parameters, "after"),
        limit=_limit(parameters.get("limit", "")),
    )


def unknown(parameters: Mapping[str, str]) -> str | None:
    """The first parameter that is neither a filter nor a cursor; None when all are known."""
    known = {*DESCRIPTIONS, "before", "after", "limit"}
    return next((name for name in parameters if name not in known), None)


def _filter(given: Mapping[str, str], now_ns: int) -> Filter:
    return Filter(
        model=given.get("model"),
        since_ns=_instant("from", given.get("from"), now_ns),
        until_ns=_instant("to", given.get("to"), now_ns),
        status=_status(given.get("status")),
        outcome=_one_of("outcome", given.get("outcome"), OUTCOMES),
        endpoint=given.get("endpoint"),
        operation=_one_of("operation", given.get("operation"), OPERATIONS),
        session_id=given.get("session_id"),
        key=given.get("key"),
        finish_reason=given.get("finish_reason"),
        request_id=given.get("request_id"),
    )


def _one_of(name: str, value: str | None, allowed: tuple[str, ...]) -> str | None:
    if value is not None and value not in allowed:
        raise BadParameter(f"'{name}' must be one of {', '.join(allowed)}.")
    return value


def _status(value: str | None) -> str | None:
    if value is not None and value not in STATUSES and not re.fullmatch(r"[1-5]\d\d", value):
        raise BadParameter(f"'status' must be a status code or one of {', '.join(STATUSES)}.")
    return value


def _instant(name: str, value: str | None, now_ns: int) -> int | None:
    """A time in Unix nanoseconds; an age counts back from now, and a time without a zone is UTC."""
    if value is None:
        return None
    age = AGE.fullmatch(value)
    if age:
        return now_ns - int(age[1]) * _AGE_SECONDS[age[2]] * 1_000_000_000
    try:
        moment = datetime.fromisoformat(value)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        nanoseconds = round(moment.timestamp() * 1000) * 1_000_000
    except (ValueError, OverflowError):
        nanoseconds = -1
    if not 0 <= nanoseconds < _LATEST_NS:
        raise BadParameter(f"'{name}' must be a time such as 2026-11-21T12:00Z or an age such as 24h.")
    return nanoseconds


def _cursor(parameters: Mapping[str, str], name: str) -> str | None:
    value = parameters.get(name)
    if value and not _CURSOR.fullmatch(value):
        raise BadParameter(f"'{name}' must be the id of a request, as given in 'next'.")
    return value or None


def _limit(value: str) -> int:
    if not value:
        return PAGE_ROWS
    if not re.fullmatch(r"[0-9]{1,4}", value) or not 1 <= int(value) <= MAX_ROWS:
        raise BadParameter(f"'limit' must be a number from 1 to {MAX_ROWS}.")
    return int(value)
