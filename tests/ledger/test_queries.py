"""What the inspector reads."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from decimal import Decimal

import pytest

from proxy.exchange import Outcome
from proxy.ledger import costs, queries
from proxy.ledger.changes import Finished, Opened
from proxy.ledger.connect import transaction
from proxy.ledger.costs import Cost
from proxy.ledger.filters import clause
from proxy.ledger.folder import Folder
from proxy.ledger.queries import Facets, Filter, Listed, Sums
from tests.ledger.samples import SECOND_NS, START_NS, closed, finished, opened, request_id, store

_COST = Cost("v1", Decimal("0.25"))


@pytest.fixture
def _twenty(folder: Folder, conn: sqlite3.Connection) -> None:
    """Twenty exchanges: each third failed, each fifth counts tokens, each seventh of another model."""
    for number in range(20):
        exchange = replace(
            closed(number),
            session_id=f"s{number % 2}",
            operation="count_tokens" if number % 5 == 0 else "messages",
            outcome=Outcome.UPSTREAM_ERROR if number % 3 == 0 else Outcome.OK,
            status=529 if number % 3 == 0 else 200,
            model="claude-opus-4_1" if number % 7 == 0 else "claude-sonnet-4-5",
            response_model=None,
        )
        store(folder, Finished(exchange))
    store(folder, Opened(opened(20)))
    with transaction(conn):
        costs.save(conn, request_id(1), _COST)


def _numbers(listed: list[Listed]) -> list[int]:
    return [int(each.exchange.request_id[3:]) for each in listed]


def _listed(conn: sqlite3.Connection, where: Filter) -> list[int]:
    found = _numbers(queries.page(conn, where, limit=100))
    assert queries.totals_of(conn, where).requests == len(found)
    return found


@pytest.mark.usefixtures("_twenty")
def test_pages_run_from_newest_to_oldest_without_gap_or_repetition(read: sqlite3.Connection) -> None:
    """S0-3."""
    everything = Filter(operation="all")
    seen: list[int] = []
    before: str | None = None
    while page := queries.page(read, everything, before, 6):
        seen += _numbers(page)
        before = page[-1].exchange.request_id
    assert seen == list(range(20, -1, -1))


@pytest.mark.usefixtures("_twenty")
def test_newer_continues_where_it_stopped(read: sqlite3.Connection) -> None:
    everything = Filter(operation="all")
    first = queries.newer(read, everything, request_id(14), 4)
    second = queries.newer(read, everything, first[0].exchange.request_id, 4)
    assert [_numbers(first), _numbers(second)] == [[18, 17, 16, 15], [20, 19]]
    assert queries.newer(read, everything, request_id(20), 4) == []


@pytest.mark.usefixtures("_twenty")
@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (Filter(), [20, 19, 18, 17, 16, 14, 13, 12, 11, 9, 8, 7, 6, 4, 3, 2, 1]),
        (Filter(operation="count_tokens"), [15, 10, 5, 0]),
        (Filter(model="SONNET", since_ns=START_NS + 16 * SECOND_NS), [19, 18, 17, 16]),
        (Filter(model="opus", operation="all"), [14, 7, 0]),
        (Filter(model="4_1"), [14, 7]),
        (Filter(model="%"), []),
        (Filter(model="4_5"), []),
        (Filter(outcome="upstream_error"), [18, 12, 9, 6, 3]),
        (Filter(outcome="failed", operation="all"), [18, 15, 12, 9, 6, 3, 0]),
        (Filter(outcome="ok", model="opus"), [14, 7]),
        (Filter(outcome="truncated"), []),
        (Filter(outcome="nonsense"), []),
        (Filter(outcome="open"), [20]),
        (Filter(status="529"), [18, 12, 9, 6, 3]),
        (Filter(status="5xx", operation="all"), [18, 15, 12, 9, 6, 3, 0]),
        (Filter(status="4xx"), []),
        (Filter(status="none"), []),
        (Filter(status="²00"), []),
        (Filter(session_id="s1", outcome="failed"), [9, 3]),
        (Filter(key="caller-abcdefgh", finish_reason="end_turn", status="529"), [18, 12, 9, 6, 3]),
        (Filter(endpoint="default", until_ns=START_NS + 3 * SECOND_NS), [2, 1]),
        (Filter(endpoint="other"), []),
        (Filter(since_ns=START_NS + 2 * SECOND_NS, until_ns=START_NS + 4 * SECOND_NS), [3, 2]),
        (Filter(since_ns=START_NS + 1000 * SECOND_NS), []),
        (Filter(until_ns=START_NS - 1000 * SECOND_NS), []),
        (Filter(request_id=request_id(15)), [15]),
        (Filter(request_id="req_15"), [15]),
        (Filter(request_id="msg_15", operation="messages"), []),
        (Filter(request_id="' OR 1 --"), []),
    ],
)
def test_filter_finds_exactly_what_it_says(read: sqlite3.Connection, where: Filter, expected: list[int]) -> None:
    """S0-10, S2-9: the list and its totals agree."""
    assert _listed(read, where) == expected


@pytest.mark.parametrize(
    "where",
    [
        Filter(),
        Filter(model="opus", status="5xx", endpoint="a", key="k", finish_reason="r"),
        Filter(outcome="failed", since_ns=1, until_ns=2**62),
        Filter(outcome="truncated", session_id=None),
    ],
)
def test_list_is_decided_inside_an_index(folder: Folder, read: sqlite3.Connection, where: Filter) -> None:
    """F11: quick at a million rows, because neither rows nor bodies are touched."""
    store(folder, finished(1))
    narrowed = clause(read, where)
    sql = f"SELECT e.request_id FROM exchanges AS e {narrowed.index} WHERE {narrowed.where} ORDER BY e.request_id DESC"
    plan = [str(row[3]) for row in read.execute(f"EXPLAIN QUERY PLAN {sql} LIMIT 50", narrowed.values)]
    assert len(plan) == 1
    assert "COVERING INDEX" in plan[0]


def test_detail_has_everything_and_the_cost(folder: Folder, conn: sqlite3.Connection, read: sqlite3.Connection) -> None:
    store(folder, finished(1))
    assert queries.detail(read, request_id(1)) == Listed(closed(1), None)
    with transaction(conn):
        costs.save(conn, request_id(1), _COST)
    assert queries.detail(read, request_id(1)) == Listed(closed(1), _COST)
    assert queries.detail(read, request_id(2)) is None


def test_list_rows_have_their_attempts_and_cost(folder: Folder, read: sqlite3.Connection) -> None:
    store(folder, finished(1), Opened(opened(2)))
    assert queries.page(read, Filter()) == [Listed(opened(2), None), Listed(closed(1), None)]


def test_headers_and_chunks_of_an_unknown_exchange_are_empty(read: sqlite3.Connection) -> None:
    assert queries.headers(read, "px_") == {}
    assert queries.chunks(read, "px_") == []


def test_pauses_between_chunks_are_read_of_many_exchanges_at_once(folder: Folder, read: sqlite3.Connection) -> None:
    store(folder, finished(1), finished(2))
    found = queries.pauses(read, [request_id(2), "px_", request_id(1)])
    assert {key: list(pauses) for key, pauses in found.items()} == {request_id(1): [750], request_id(2): [750]}


@pytest.mark.usefixtures("_twenty")
def test_older_page_of_an_id_is_empty(read: sqlite3.Connection) -> None:
    assert queries.page(read, Filter(request_id="req_15"), request_id(15)) == []


@pytest.mark.usefixtures("_twenty")
def test_sums_tell_unknown_from_nothing(read: sqlite3.Connection) -> None:
    where = Filter(since_ns=START_NS + SECOND_NS, until_ns=START_NS + 4 * SECOND_NS)
    assert queries.totals_of(read, where) == Sums(3, 1, 30, 60, 90, 120, 0.25, 1)
    assert queries.totals_of(read, Filter(outcome="open")) == Sums(1, 0, None, None, None, None, None, 0)


@pytest.mark.usefixtures("_twenty")
def test_facets_are_what_finished_exchanges_have(read: sqlite3.Connection) -> None:
    assert queries.facets(read) == Facets(
        models=("claude-sonnet-4-5", "claude-opus-4_1"),
        endpoints=("default",),
        statuses=("200", "529"),
        outcomes=("ok", "upstream_error"),
        operations=("messages", "count_tokens"),
        finish_reasons=("end_turn",),
        keys=("caller-abcdefgh",),
    )


def test_facets_stay_few_whatever_clients_send(folder: Folder, read: sqlite3.Connection) -> None:
    """G8."""
    store(folder, *(Finished(replace(closed(number), model=f"model-{number}")) for number in range(300)))
    assert len(queries.facets(read).models) == queries.FACET_VALUES


def test_facets_forget_what_is_deleted(folder: Folder, conn: sqlite3.Connection) -> None:
    store(folder, finished(1), Finished(replace(closed(2), model="other")))
    conn.execute("DELETE FROM exchanges WHERE request_id = ?", (request_id(2),))
    assert queries.facets(conn).models == ("claude-sonnet-4-5",)
    conn.execute("DELETE FROM exchanges")
    assert queries.facets(conn) == Facets()
