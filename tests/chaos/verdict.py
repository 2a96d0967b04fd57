"""The laws after the storm, from what the clients heard, what the upstream saw, the ledger and the telemetry."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import psutil

from proxy.relay.upstream.origin import KEEP_ALIVE_S
from tests.chaos.acts import Stage
from tests.end_to_end.signals import scraped
from tests.kit import laws
from tests.kit.crowd import Crowd, Heard
from tests.kit.paced import Request
from tests.kit.process import Proxy, Row, wait
from tests.long.figure import MEGABYTE, Figure

WINDOW_S = 0.3
"""Accepted or finished shortly before a kill: an open row is made after 30 ms, a group commit takes up to 50 ms, and
the machine is busy."""
REST_S = 2 * KEEP_ALIVE_S + 5
OPEN = "proxy_requests_open", frozenset[tuple[str, str]]()
COME_AND_GO, GROWTH_MB = 10, 64
"""Descriptors and threads, and megabytes that an interpreter keeps after a storm."""

EXPECTED = (
    "sqlite3.OperationalError: database is locked",
    "sqlite3.OperationalError: database or disk is full",
    "sqlite3.OperationalError: disk I/O error",
    "OSError: [Errno 28]",
)
"""A full disk and a locked ledger, once each."""


class Held(NamedTuple):
    """What a process holds at rest."""

    held: int
    """Descriptors and threads."""
    megabytes: float


Rest = dict[str, Held]
"""By role."""


@dataclass
class Told:
    """What has arrived by OTLP, by request id."""

    completed: Counter[str] = field(default_factory=Counter)
    """Log records."""
    servers: Counter[str] = field(default_factory=Counter)
    """Spans of the whole request."""


def judge(stage: Stage, crowd: Crowd, seen: Mapping[str, Request], told: Told, rest: Rest) -> list[Figure]:
    """Asserts the laws; returns what is worth printing. `rest` is what the processes held before the storm."""
    now = rest_of(stage.proxy)
    grown = {role: (now[role].held - each.held, now[role].megabytes - each.megabytes) for role, each in rest.items()}
    assert all(held <= COME_AND_GO and grew <= GROWTH_MB for held, grew in grown.values()), f"L6: {grown}"
    laws.check(stage.proxy)
    wait(lambda: _behind(stage) == 0, "the observer to catch up", 120)
    rows = {row["request_id"]: row for row in stage.proxy.rows()}
    lost = _lost(stage, crowd, rows)
    _delivered(crowd, rows, seen)
    _exported(rows, told.completed)
    _exported(rows, told.servers)
    _counted(stage, rows)
    durations = [row["duration_ms"] for row in rows.values() if row["duration_ms"] is not None]
    assert all(0 <= ms < 200_000 for ms in durations), "a duration followed the wall clock"
    assert not any(row["outcome"] == "proxy_error" for row in rows.values())
    assert _surprises(stage.proxy.said()) == []
    outcomes = Counter(str(row["outcome"]) for row in rows.values())
    twice = [sum(count - 1 for count in counts.values()) for counts in (told.completed, told.servers)]
    held = ", ".join(f"{role} {held:+d} and {grew:+.0f} MB" for role, (held, grew) in grown.items())
    known = (
        (
            "requests",
            "one record each",
            f"{len(rows):,}, {sum(heard.whole for heard in crowd.heard):,} heard whole by their clients",
        ),
        (
            "outcomes",
            "none is `proxy_error`",
            ", ".join(f"{outcome} {count:,}" for outcome, count in outcomes.most_common()),
        ),
        ("relays killed", "—", str(len(stage.kills))),
        ("L1, L2: records lost", f"what a kill can take: {WINDOW_S} s, or what could not be written", str(lost)),
        ("L3: logs and spans sent more than once", "as the same record", f"{twice[0]:,} and {twice[1]:,}"),
        ("L3, L4, L5: delivered, counted and exported as recorded, no secret anywhere", "all", "all"),
        ("L6: descriptors with threads, and memory", f"≤ {COME_AND_GO} and {GROWTH_MB} MB more than before", held),
    )
    return [Figure(*one, held=True) for one in known]


def rest_of(proxy: Proxy) -> Rest:
    """What the processes hold once they are at rest, by role, the most where there are several.

    Idle connections to the upstream end after a while.
    """
    wait(lambda: not any(map(_connected, map(proxy.pid, proxy.relays))), "connections to end", REST_S)
    wait(
        lambda: scraped(proxy.metrics(), health=True)["proxy_requests_open", frozenset()] == 0, "requests to be over", 5
    )
    found: Rest = {}
    for name, number in proxy.run["processes"].items():
        process, role = psutil.Process(number), name.partition("-")[0]
        held = Held(process.num_fds() + process.num_threads(), process.memory_info().rss / MEGABYTE)
        before = found.get(role, held)
        found[role] = Held(max(held.held, before.held), max(held.megabytes, before.megabytes))
    return found


def _connected(number: int) -> bool:
    found = psutil.Process(number).net_connections("tcp")
    return any(connection.status == psutil.CONN_ESTABLISHED for connection in found)


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
