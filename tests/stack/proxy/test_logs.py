"""Every record in Loki says what the ledger's row says, in every field, and is there once."""

from __future__ import annotations

import math
from collections import Counter, defaultdict

import pytest

from proxy.names import fields
from tests.kit.process import Row
from tests.stack.proxy.conftest import SELECTED, Installation
from tests.stack.reading_back import Line

_NORMALIZED = {"end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "tool_use": "tool_calls"}
_SIX_HOURS_S = 6 * 3_600


def _lines(played: Installation, message: str) -> list[Line]:
    return played.servers["loki"].every_line(f'{SELECTED} |= "{message}"', played.at - _SIX_HOURS_S, played.at)


@pytest.fixture(scope="module")
def completed(played: Installation) -> list[Line]:
    """All `completed` records."""
    return _lines(played, fields.COMPLETED)


def _difference(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else max(0.0, end - start)


def _resets_at(row: Row) -> int | None:
    """When the limit behind a 429 opens again: a rejected window, else a limit that is used up; the last of several."""
    rejected = [one["resets_at"] for one in row["windows"] if one["status"] == "rejected"]
    used_up = [one["resets_at"] for one in row["limits"] if one["remaining"] == 0]
    return max(rejected or used_up, default=None) if row["status"] == 429 else None


def _told(row: Row) -> dict[str, object]:
    """What a record must say: columns of the same name, and what follows from them."""
    tokens = (row["input_tokens"], row["cache_read_tokens"], row["cache_creation_tokens"])
    ttft = _difference(row["sent_ms"], row["first_token_ms"])
    elapsed = _difference(row["first_token_ms"], row["last_byte_ms"]) if row["stream"] else row["duration_ms"]
    rated = elapsed is not None and elapsed >= 50 and row["output_tokens"]
    return {
        "stream": None if row["stream"] is None else str(bool(row["stream"])).lower(),
        "billing": row["billing"] or ("subscription" if row["windows"] else "pay_as_you_go"),
        "input_tokens_total": None if tokens == (None, None, None) else sum(one or 0 for one in tokens),
        "finish_reason_normalized": _NORMALIZED.get(row["finish_reason"], row["finish_reason"]),
        "ttft_ms": ttft,
        "output_rate": row["output_tokens"] * 1000 / elapsed if rated else None,
        "attempt_count": len(row["attempts"]),
        "resets_at": _resets_at(row),
    }


def _same(said: str | None, known: object) -> bool:
    if said is None or known is None:
        return said is known
    if isinstance(known, float):
        return math.isclose(float(said), known, rel_tol=1e-6, abs_tol=0.0006)
    return said == str(known)


def test_every_request_has_one_record(played: Installation, completed: list[Line]) -> None:
    ids = Counter(line.labels["request_id"] for line in completed)
    assert ids == Counter(row["request_id"] for row in played.ledger.exchanges)


def test_thousands_of_records_fit_into_one_answer(played: Installation) -> None:
    found = played.servers["loki"].lines(f'{SELECTED} |= "completed"', played.at - _SIX_HOURS_S, played.at, 5_000)
    assert len(found) == len(played.ledger.exchanges) > 2_000


def test_every_field_is_the_ledgers(played: Installation, completed: list[Line]) -> None:
    rows = {row["request_id"]: row for row in played.ledger.exchanges}
    wrong: defaultdict[str, list[tuple[str | None, object]]] = defaultdict(list)
    seen: set[str] = set()
    for line in completed:
        row = rows[line.labels["request_id"]]
        known = {**row, **_told(row), "inspector_url": f"{played.proxy.inspector_url}/requests/{row['request_id']}"}
        for name in (field.name for field in fields.FIELDS if field.name != fields.ATTEMPT):
            said = line.labels.get(name)
            seen |= {name} if said is not None else set()
            if not _same(said, known[name]):
                wrong[name].append((said, known[name]))
    assert {name: differences[:3] for name, differences in wrong.items()} == {}
    assert seen >= {
        "cost_usd",
        "ttft_ms",
        "output_rate",
        "workflow",
        "error_message",
        "resets_at",
        "cache_creation_5m_tokens",
    }


def test_every_failed_attempt_has_one_record(played: Installation) -> None:
    told = Counter(
        (line.labels["request_id"], line.labels.get("attempt"), line.labels.get("status"), line.labels["error_type"])
        for line in _lines(played, fields.UPSTREAM_ERROR)
    )
    assert set(told.values()) == {1}
    failed = {
        (row["request_id"], str(one["number"]), str(one["status"]))
        for row in played.ledger.exchanges
        for one in row["attempts"]
        if one["error_type"] is not None or (one["status"] or 0) >= 400
    }
    assert {(request, attempt, str(status)) for request, attempt, status, _ in told} >= failed
    assert failed
