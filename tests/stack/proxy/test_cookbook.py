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
from tests.stack.reading_back import Found
from tests.stack.running import wait_until

_DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "logql.md"
_QUESTION = re.compile(r"^### (.+)\n\n```logql\n([^`]+)\n```\n\n(\S.+)\n", re.MULTILINE)
_QUERIES = {question: query for question, query, _ in _QUESTION.findall(_DOCUMENT.read_text(encoding="utf-8"))}
_EVERY_RECORDS = {"service_name", "trace_id"}
_MOST = 10
_DAY_S = 86_400
_DELIVERED_SECONDS = 30.0
Where = Callable[[Row], object]


@dataclass(frozen=True)
class Table:
    """Numbers by fields; a field that is not known is ""."""

    by: tuple[str, ...]
    values: dict[tuple[str, ...], float]

    def share_of(self, whole: Table) -> Table:
        """Of each number in that of the whole."""
        return Table(self.by, {key: value / whole.values[key] for key, value in self.values.items()})


@dataclass(frozen=True)
class Records:
    """The log records that must be there, each with its fields as the ledger has them."""

    completed: list[Row]
    failed: list[Row]
    one: Row
    """A request of a session that failed once; its values stand for the words in capitals."""

    def reduced(self, field: str, reduce: Callable[[list[float]], float], *by: str, where: Where = bool) -> Table:
        """What becomes of the known values of a field of `completed` records."""
        found: defaultdict[tuple[str, ...], list[float]] = defaultdict(list)
        for row in self.completed:
            if row[field] is not None and where(row):
                found[_key(row, by)].append(row[field])
        return Table(by, {key: reduce(values) for key, values in found.items()})

    def summed(self, field: str, *by: str, where: Where = bool) -> Table:
        """Sums of that field."""
        return self.reduced(field, sum, *by, where=where)

    def counted(self, *by: str, where: Where = bool) -> Table:
        """How many `completed` records there are."""
        return _counted(self.completed, by, where)

    def ids(self, where: Where) -> Counter[str]:
        """Requests with such a `completed` record."""
        return Counter(row["request_id"] for row in self.completed if where(row))


def _counted(rows: list[Row], by: tuple[str, ...], where: Where = bool) -> Table:
    return Table(by, dict(Counter(_key(row, by) for row in rows if where(row))))


def _key(row: Row, by: tuple[str, ...]) -> tuple[str, ...]:
    return tuple("" if row[name] is None else str(row[name]) for name in by)


def _p95(values: list[float]) -> float:
    """With linear interpolation between neighbours."""
    ordered = sorted(values)
    rank = 0.95 * (len(ordered) - 1)
    below = int(rank)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (rank - below)


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _failure(row: Row) -> bool:
    return row["outcome"] not in ("ok", "client_disconnected", "rejected") and not 400 <= (row["status"] or 0) < 500


def _session(row: Row) -> bool:
    return row["session_id"] is not None


LINES: dict[str, Callable[[Records], Counter[str]]] = {
    "Which calls cost more than five cents?": lambda known: known.ids(lambda row: (row["cost_usd"] or 0) > 0.05),
    "Which requests were limited?": lambda known: Counter(
        row["request_id"] for row in known.failed if row["status"] == 429
    ),
    "Which calls wrote more than two hundred tokens?": lambda known: known.ids(
        lambda row: (row["output_tokens"] or 0) > 200
    ),
    "What happened to this request?": lambda known: Counter({known.one["request_id"]: 2}),
    "Which request does the provider's support mean?": lambda known: Counter({known.one["request_id"]: 2}),
    "Which requests belong to this trace?": lambda known: Counter({known.one["request_id"]: 1}),
    "What did a session do, in order?": lambda known: known.ids(
        lambda row: row["session_id"] == known.one["session_id"]
    ),
}
"""Requests whose records a query must find, and how many of each."""

NUMBERS: dict[str, Callable[[Records], Table]] = {
    "Who spent most today?": lambda known: known.summed("cost_usd", "key"),
    "What is paid, and what does a subscription include?": lambda known: known.summed("cost_usd", "billing"),
    "What does each organization cost?": lambda known: known.summed("cost_usd", "organization"),
    "What does each workflow cost?": lambda known: known.summed(
        "cost_usd", "workflow", "model", where=lambda row: row["workflow"]
    ),
    "Which sessions are the most expensive?": lambda known: known.summed("cost_usd", "session_id", where=_session),
    "Which key burned the window?": lambda known: known.summed(
        "cost_usd", "account", "key", where=lambda row: row["billing"] == "subscription"
    ),
    "How many tokens does a key write in each minute?": lambda known: known.summed(
        "output_tokens", "model", where=lambda row: row["key"] == known.one["key"]
    ),
    "What share of each session's input came from the cache?": lambda known: known.summed(
        "cache_read_tokens", "session_id", where=_session
    ).share_of(known.summed("input_tokens_total", "session_id", where=_session)),
    "How much of the output is thinking?": lambda known: known.summed("reasoning_tokens", "model").share_of(
        known.summed("output_tokens", "model")
    ),
    "Which models have no price?": lambda known: known.counted(
        "model",
        "response_model",
        where=lambda row: row["usage_source"] in ("final", "partial") and row["cost_usd"] is None,
    ),
    "Whose usage is not the provider's last word?": lambda known: known.counted(
        "usage_source", "outcome", where=lambda row: row["operation"] == "messages" and row["usage_source"] != "final"
    ),
    "Which models are slow to begin?": lambda known: known.reduced("ttft_ms", _p95, "model"),
    "How long do requests take at each endpoint?": lambda known: known.reduced(
        "duration_ms", _p95, "endpoint", "stream", where=lambda row: row["operation"] == "messages"
    ),
    "Which requests ran longest?": lambda known: known.reduced("duration_ms", max, "request_id", "model", "outcome"),
    "How fast do models write?": lambda known: known.reduced("output_rate", _mean, "model"),
    "Who asks again?": lambda known: known.counted("key", "client", where=lambda row: (row["retry_count"] or 0) > 0),
    "Who is limited most?": lambda known: known.counted("account", "key", where=lambda row: row["status"] == 429),
    "Which errors came inside streams that began well?": lambda known: known.counted(
        "model", "error_type", "error_message", where=lambda row: row["outcome"] == "error_in_stream"
    ),
    "What fails at the upstream?": lambda known: _counted(known.failed, ("upstream", "status", "error_type")),
    "What share of each endpoint's calls fails?": lambda known: known.counted("endpoint", where=_failure).share_of(
        known.counted("endpoint")
    ),
    "Who hangs up?": lambda known: known.counted(
        "client", "key", where=lambda row: row["outcome"] == "client_disconnected"
    ),
    "Which answers were cut off at max_tokens?": lambda known: known.counted(
        "key", "model", where=lambda row: row["finish_reason"] == "max_tokens"
    ),
    "Which agents did a session start?": lambda known: known.counted(
        "session_id", "parent_agent_id", "agent_id", where=lambda row: row["agent_id"] is not None
    ),
    "Which programs are in use?": lambda known: known.counted("client"),
}
"""What a query must find; of those that ask for the largest ten, all."""


@pytest.fixture(scope="module")
def known(played: Installation) -> Records:
    """As the ledger has them."""
    completed = [_told(row) for row in played.ledger.exchanges]
    failed = [told for row in completed for told in _failures(row)]
    one = next(
        row
        for row in completed
        if row["outcome"] == "upstream_error" and row["session_id"] and row["upstream_request_id"]
    )
    return Records(completed, failed, {**one, "trace_id": _trace_id(played, one)})


def _told(row: Row) -> Row:
    """With the fields that follow from others."""
    tokens = [row[name] for name in ("input_tokens", "cache_read_tokens", "cache_creation_tokens")]
    begun = None if row["first_token_ms"] is None or row["sent_ms"] is None else row["first_token_ms"] - row["sent_ms"]
    if row["stream"] and row["first_token_ms"] is not None and row["last_byte_ms"] is not None:
        wrote_ms = row["last_byte_ms"] - row["first_token_ms"]
    else:
        wrote_ms = 0 if row["stream"] else row["duration_ms"]
    rated = row["output_tokens"] and wrote_ms >= 50
    return {
        **row,
        "stream": None if row["stream"] is None else str(bool(row["stream"])).lower(),
        "billing": row["billing"] or ("subscription" if row["has_windows"] else "pay_as_you_go"),
        "input_tokens_total": None if tokens == [None] * 3 else sum(one or 0 for one in tokens),
        "ttft_ms": None if begun is None else max(0.0, begun),
        "output_rate": row["output_tokens"] * 1000 / wrote_ms if rated else None,
    }


def _failures(row: Row) -> list[Row]:
    """No request of this traffic was tried twice, so that it failed as a whole or not at all."""
    inside = ("upstream_error", "error_in_stream", "truncated", "upstream_timeout", "upstream_unreachable")
    [attempt] = row["attempts"] or [None]
    if row["outcome"] not in inside and (attempt is None or (attempt["status"] or 0) < 400):
        return []
    return [{**row, "status": attempt and attempt["status"], "upstream": attempt and attempt["upstream"]}]


def _trace_id(played: Installation, row: Row) -> str:
    """From the span that the ledger names."""

    def found() -> list[str]:
        return [one.trace_id.hex() for one in played.stack.tempo.spans() if one.span_id.hex() == row["span_id"]]

    wait_until(lambda: found() != [], "the span", _DELIVERED_SECONDS)
    return found()[0]


def _filled(query: str, one: Row) -> str:
    """With values in place of the words in capitals, which are names of fields."""
    return re.sub(r'"([A-Z_]+)"', lambda word: f'"{one[word[1].lower()]}"', query)


def _asked(played: Installation, query: str) -> Found:
    loki, now = played.servers["loki"], time.time()
    if "[1m]" in query:
        return loki.ask_range(query, now - _DAY_S / 24, now + 60, 60)
    if "_over_time" in query:
        return loki.ask(query, now)
    return Found([], loki.every_line(query, now - _DAY_S, now))


def test_every_question_has_its_query_and_a_word_on_the_answer() -> None:
    assert len(_QUERIES) == _DOCUMENT.read_text(encoding="utf-8").count("\n### ") >= 20
    assert list(_QUERIES) == [question for question in _QUERIES if (question in LINES) is not (question in NUMBERS)]
    assert _QUERIES.keys() == LINES.keys() | NUMBERS.keys()


@pytest.mark.parametrize("query", _QUERIES.values(), ids=_QUERIES)
def test_queries_name_fields_that_exist(query: str) -> None:
    without_texts = re.sub(r'"[^"]*"', '""', re.sub(r"{{\.(\w+)}}", r'" unwrap \1 "', query))
    named = set(re.findall(r"\bunwrap (\w+)|\b(\w+) ?(?:!=|=~|!~|=|>)|by \(([\w, ]+)\)", without_texts))
    words = {word for each in named for part in each for word in re.findall(r"\w+", part)}
    assert words <= {field.name for field in fields.FIELDS} | _EVERY_RECORDS


@pytest.mark.parametrize("question", LINES)
def test_lines_are_those_of_the_requests(played: Installation, known: Records, question: str) -> None:
    found = _asked(played, _filled(_QUERIES[question], known.one)).lines
    assert Counter(line.labels["request_id"] for line in found) == LINES[question](known)
    assert found
    assert not [line.text for line in found if "<no value>" in line.text or line.labels.get("__error__")]


@pytest.mark.parametrize("question", NUMBERS)
def test_numbers_are_the_ledgers(played: Installation, known: Records, question: str) -> None:
    query = _filled(_QUERIES[question], known.one)
    wanted = NUMBERS[question](known)
    found: defaultdict[tuple[str, ...], float] = defaultdict(float)
    for series in _asked(played, query).series:
        assert series.labels.keys() <= set(wanted.by)
        found[tuple(series.labels.get(name, "") for name in wanted.by)] += sum(value for _, value in series.points)
    largest = sorted(wanted.values.values(), reverse=True)[: _MOST if query.startswith(f"topk({_MOST}") else None]
    assert sorted(found.values(), reverse=True) == pytest.approx(largest, rel=1e-6, abs=0.001)
    assert found == pytest.approx({key: wanted.values[key] for key in found}, rel=1e-6, abs=0.001)
    assert found
