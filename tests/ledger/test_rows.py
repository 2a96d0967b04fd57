"""Records as rows and back, whatever is in them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.exchange import Attempt, Exchange, LimitReading, Outcome, Usage, UsageSource, WindowReading
from proxy.ledger.rows import EXCHANGE_COLUMNS, Value, exchange_of, record_of, row, text
from tests.ledger.samples import closed, opened

_VALUES = {
    "str": st.text(),
    "int": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(allow_nan=False, allow_infinity=False),
    "bool": st.booleans(),
    "Outcome": st.sampled_from(Outcome),
    "UsageSource": st.sampled_from(UsageSource),
}


def _through_sqlite(values: list[Value]) -> list[Value]:
    with closing(sqlite3.connect(":memory:")) as conn:
        marks = ", ".join("?" * len(values))
        return list(conn.execute(f"SELECT {marks}", values).fetchone())


@st.composite
def _exchanges(draw: st.DrawFn) -> Exchange:
    usage_names = {each.name for each in fields(Usage)}
    drawn: dict[str, object] = {}
    for column in EXCHANGE_COLUMNS:
        values = _VALUES[column.kind]
        drawn[column.name] = draw(st.none() | values if column.optional else values)
    usage = Usage(**{name: drawn.pop(name) for name in usage_names})  # type: ignore[arg-type]
    return Exchange(**drawn, usage=usage)  # type: ignore[arg-type]


@given(_exchanges())
def test_every_exchange_comes_back_as_it_was(exchange: Exchange) -> None:
    values, intact = row(exchange)
    assert intact
    assert exchange_of(_through_sqlite(values)) == exchange


def test_row_of_the_same_shape_is_looked_at_again() -> None:
    good = closed(1)
    assert row(good)[1]
    for spoiled in (
        replace(good, status=2**63),
        replace(good, duration_ms=float("inf")),
        replace(good, model="\ud800"),
    ):
        assert not row(spoiled)[1]
    assert row(replace(good, model="größer", duration_ms=1e308, first_token_ms=1e308))[1]


@pytest.mark.parametrize("record", [*closed(1).attempts, *closed(1).windows, *closed(1).limits])
def test_attempts_and_readings_come_back_as_they_were(record: Attempt | WindowReading | LimitReading) -> None:
    values, intact = row(record)
    assert intact
    assert record_of(type(record), _through_sqlite(values)) == record  # type: ignore[type-var]


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**400])
def test_integer_beyond_63_bits_becomes_unknown(number: int) -> None:
    """F10."""
    values, intact = row(replace(closed(1), status=number, usage=Usage(input_tokens=number, output_tokens=7)))
    assert not intact
    assert exchange_of(_through_sqlite(values)) == replace(
        closed(1), status=None, usage=Usage(output_tokens=7), attempts=(), windows=(), limits=()
    )


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 10**400])
def test_number_that_is_none_becomes_unknown(number: float) -> None:
    values, intact = row(replace(opened(1), duration_ms=number))
    assert not intact
    assert exchange_of(_through_sqlite(values)) == opened(1)


def test_value_of_another_type_becomes_unknown_or_blank() -> None:
    spoiled = replace(opened(1), model={"a": 1}, stream="yes", method=None, outcome="fine", started_ns="now")  # type: ignore[arg-type]
    values, intact = row(spoiled)
    assert not intact
    assert exchange_of(_through_sqlite(values)) == replace(opened(1), method="", started_ns=0)


@given(st.text(st.characters(categories=["Cs", "L", "N"])))
def test_no_text_is_too_strange_to_be_stored(value: str) -> None:
    assert _through_sqlite([text(value)]) == [text(value)]


def test_lone_surrogate_is_replaced_and_told() -> None:
    values, intact = row(replace(opened(1), model="a\ud800b"))
    assert not intact
    assert exchange_of(_through_sqlite(values)).model == "a\ufffdb"
