"""The laws after the storm, from what the clients heard, what the upstream saw, the ledger and the telemetry."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping

from tests.chaos.acts import Stage
from tests.kit import laws
from tests.kit.crowd import Crowd, Heard
from tests.kit.paced import Request
from tests.kit.process import Row, wait

WINDOW_S = 0.3
"""Accepted or finished shortly before a kill: an open row is made after 30 ms, a group commit takes up to 50 ms, and
the machine is busy."""

EXPECTED = (
    "sqlite3.OperationalError: database is locked",
    "sqlite3.OperationalError: database or disk is full",
    "sqlite3.OperationalError: disk I/O error",
    "OSError: [Errno 28]",
)
"""A full disk and a locked ledger, once each."""


def judge(stage: Stage, crowd: Crowd, seen: Mapping[str, Request], told: Counter[str]) -> dict[str, object]:
    """Asserts the laws; returns what is worth printing. `told` counts the `completed` log records by request id."""
    laws.check(stage.proxy)
    wait(lambda: _behind(stage) == 0, "the observer to catch up", 120)
    rows = {row["request_id"]: row for row in stage.proxy.rows()}
    lost = _lost(stage, crowd, rows)
    _delivered(crowd, rows, seen)
    _exported(rows, told)
    _counted(stage, rows)
    durations = [row["duration_ms"] for row in rows.values() if row["duration_ms"] is not None]
    assert all(0 <= ms < 200_000 for ms in durations), "a duration followed the wall clock"
    assert not any(row["outcome"] == "proxy_error" for row in rows.values())
    assert _surprises(stage.proxy.said()) == []
    return {
        "requests": len(rows),
        "outcomes": dict(Counter(str(row["outcome"]) for row in rows.values())),
        "heard whole": sum(heard.whole for heard in crowd.heard),
        "kills of relays": len(stage.kills),
        "lost within the commit window of a kill": lost,
        "records sent twice": sum(count - 1 for count in told.values()),
    }


def _surprises(said: str) -> list[str]:
    """Exceptions in the log other than those of the troubles that were made."""
    lines = [json.loads(line) for line in said.splitlines() if line.startswith("{") and '"exc_info"' in line]
    return [line["exc_info"] for line in lines if not line["exc_info"].rpartition("\n")[2].startswith(EXPECTED)]


def _behind(stage: Stage) -> int:
    """Journal rows that a signal has not passed."""
    sql = "SELECT (SELECT coalesce(max(seq), 0) FROM journal) - min(seq) AS behind FROM cursors"
    return int(stage.proxy.rows(sql)[0]["behind"] or 0)


def _lost(stage: Stage, crowd: Crowd, rows: Mapping[str, Row]) -> int:
    """L2: who was answered has a row, unless a kill took what could not be committed before it."""
    missing = [heard for heard in crowd.heard if heard.request_id and heard.request_id not in rows]
    unexplained = [heard for heard in missing if not any(_taken(heard, *kill) for kill in stage.kills)]
    assert unexplained == [], (
        f"{len(unexplained)} of {len(crowd.heard)} have no record: {unexplained[:3]}; kills: {stage.kills}"
    )
    return len(missing)


def _taken(heard: Heard, killed: float, unwritable_since: float | None) -> bool:
    """Whether a kill can have taken the record: it was made in the commit window, or while nothing could be written."""
    from_then = min(killed, unwritable_since if unwritable_since is not None else killed) - WINDOW_S
    return heard.begun <= killed and (heard.ended or killed) >= from_then


def _delivered(crowd: Crowd, rows: Mapping[str, Row], seen: Mapping[str, Request]) -> None:
    """L4: what a client heard whole is what the upstream sent and what the record says."""
    for heard in crowd.heard:
        if heard.whole and heard.status == 200:
            assert heard.sha256 == seen[heard.nonce].sha256, f"{heard.nonce} was changed on its way"
            row = rows.get(heard.request_id)
            if row is not None and row["outcome"] == "ok":
                assert row["response_sha256"] == heard.sha256, row


def _exported(rows: Mapping[str, Row], told: Counter[str]) -> None:
    """L3: every record was sent, and nothing that is no record."""
    assert set(told) - rows.keys() == set()
    assert [request_id for request_id in rows if not told[request_id]] == []


def _counted(stage: Stage, rows: Mapping[str, Row]) -> None:
    counts = re.findall(r"^proxy_request_count_total\{[^}]*\} ([0-9.e+]+)", stage.proxy.metrics(), re.MULTILINE)
    assert sum(float(count) for count in counts) == len(rows)
