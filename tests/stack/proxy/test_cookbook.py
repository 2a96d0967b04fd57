"""Every query of `docs/logql.md` is run as it stands there, and finds what the ledger has."""

from __future__ import annotations

import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from proxy.names import fields
from tests.kit.process import Row
from tests.stack.proxy.conftest import Installation
from tests.stack.running import wait_until

_DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "logql.md"
_QUESTION = re.compile(r"^### (.+)\n\n```logql\n(.+?)\n```\n\n(\S.+)\n", re.MULTILINE | re.DOTALL)
_QUERIES = {question: query for question, query, _ in _QUESTION.findall(_DOCUMENT.read_text(encoding="utf-8"))}
_OURS = ("trace_id", "service_name")
"""Fields of every record of any program."""
_MOST = 10
_DAY_S = 86_400
_DELIVERED_SECONDS = 30.0
Numbers = dict[tuple[str, ...], float]


def _numbers(groups: dict[tuple[str, ...], list[float]], reduce: Callable[[list[float]], float]) -> Numbers:
    return {key: reduce(values) for key, values in groups.items()}


@dataclass(frozen=True)
class Records:
    """The log records that must be there, each with its fields as the ledger has them."""

    completed: list[Row]
    failed: list[Row]

    def grouped(self, field: str, *by: str, where: Callable[[Row], object] = bool) -> dict[tuple[str, ...], list[float]]:
        """Known values of a field of `completed` records, by other fields, "" for what is not known."""
        found: defaultdict[tuple[str, ...], list[float]] = defaultdict(list)
        for row in self.completed:
            if row[field] is not None and where(row):
                found[_key(row, by)].append(row[field])
        return dict(found)

    def summed(self, field: str, *by: str, where: Callable[[Row], object] = bool) -> Numbers:
        """Their sums."""
        return _numbers(self.grouped(field, *by, where=where), sum)

    def counted(self, *by: str, where: Callable[[Row], object] = bool) -> Numbers:
        """How many `completed` records there are."""
        return Counter(_key(row, by) for row in self.completed if where(row))

    def ids(self, where: Callable[[Row], object]) -> Counter[str]:
        """Requests with such a `completed` record."""
        return Counter(row["request_id"] for row in self.completed if where(row))


def _key(row: Row, by: tuple[str, ...]) -> tuple[str, ...]:
    return tuple("" if row[name] is None else str(row[name]) for name in by)


def _part(part: Numbers, whole: Numbers) -> Numbers:
    return {key: value / whole[key] for key, value in part.items() if whole[key]}


def _quantile(values: list[float], part: float = 0.95) -> float:
    """With linear interpolation between neighbours."""
    ordered = sorted(values)
    rank = part * (len(ordered) - 1)
    below = int(rank)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (rank - below)


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _failure(row: Row) -> bool:
    own = row["outcome"] not in ("ok", "client_disconnected", "rejected")
    return own and not str(row["status"]).startswith("4")


_LISTED: dict[str, Callable[[Records, Row], Counter[str]]] = {
    "Which calls cost more than five cents?": lambda known, _: known.ids(lambda row: (row["cost_usd"] or 0) > 0.05),
    "Which requests were limited?": lambda known, _: Counter(
        row["request_id"] for row in known.failed if row["status"] == 429
    ),
    "Which calls wrote more than two hundred tokens?": lambda known, _: known.ids(
        lambda row: (row["output_tokens"] or 0) > 200
    ),
    "What happened to this request?": lambda known, one: Counter({one["request_id"]: 2}),
    "Which request does the provider's support mean?": lambda known, one: Counter({one["request_id"]: 2}),
    "Which requests belong to this trace?": lambda known, one: Counter({one["request_id"]: 1}),
    "What did a session do, in order?": lambda known, one: known.ids(
        lambda row: row["session_id"] == one["session_id"]
    ),
}
"""Request ids of the lines that a query must find, given one failed request of a session."""

_COUNTED: dict[str, tuple[tuple[str, ...], Callable[[Records], Numbers]]] = {
    "Who spent most today?": (("key",), lambda known: known.summed("cost_usd", "key")),
    "What is paid, and what does a subscription include?": (
        ("billing",),
        lambda known: known.summed("cost_usd", "billing"),
    ),
    "What does each organization cost?": (("organization",), lambda known: known.summed("cost_usd", "organization")),
}
