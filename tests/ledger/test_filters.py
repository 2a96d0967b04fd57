"""Filters as SQL."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.ledger.connect import reader
from proxy.ledger.filters import Filter, clause
from proxy.ledger.folder import Folder
from proxy.ledger.queries import newer, page, totals_of
from tests.ledger.samples import finished, request_id, store

_TEXT = st.none() | st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(["'", "%", "_\\", "--", "4xx"])
_TIME = st.none() | st.integers(-(2**62), 2**62)


@pytest.fixture
def stored(folder: Folder) -> Folder:
    store(folder, *(finished(number) for number in range(3)))
    return folder


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    where=st.builds(
        Filter,
        model=_TEXT,
        since_ns=_TIME,
        until_ns=_TIME,
        status=_TEXT,
        outcome=_TEXT | st.sampled_from(["failed", "open", "ok", "truncated"]),
        endpoint=_TEXT,
        operation=_TEXT,
        session_id=_TEXT,
        key=_TEXT,
        finish_reason=_TEXT,
        request_id=_TEXT,
    )
)
def test_no_filter_can_break_a_query(stored: Folder, where: Filter) -> None:
    """I17, H: values are bound, and every index named can be used."""
    conn = reader(stored.ledger)
    found = page(conn, where)
    assert totals_of(conn, where).requests == len(found)
    assert page(conn, where, request_id(0)) == []
    assert len(newer(conn, where, "")) == len(found)
    conn.close()


def test_values_are_never_part_of_the_sql(read: sqlite3.Connection) -> None:
    nasty = "nasty'; DROP TABLE exchanges"
    narrowed = clause(read, Filter(nasty, None, None, nasty, nasty, nasty, nasty, nasty, nasty, nasty, nasty))
    assert "nasty" not in narrowed.where + narrowed.index


def test_filter_of_nothing_matches_everything(read: sqlite3.Connection) -> None:
    assert clause(read, Filter(operation="all")).where == "1"
