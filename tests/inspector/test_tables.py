from __future__ import annotations

import csv
import io
from decimal import Decimal

import pytest

from proxy.inspector.tables import COLUMNS, MAX_CELL, csv_head, csv_rows
from proxy.ledger.costs import Cost
from proxy.ledger.queries import Listed
from tests.inspector.filling import accepted, answered


def read(*listed: Listed) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((csv_head() + csv_rows(listed)).decode(), newline="")))


@pytest.mark.parametrize("text", ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\tx", "\rx"])
def test_no_captured_text_is_a_formula(text: str) -> None:
    """H14"""
    (row,) = read(Listed(answered("px_1", error_message=text), None))

    assert row["error_message"] == f"'{text}"


def test_cells_are_bounded_and_without_nul() -> None:
    """H14"""
    (row,) = read(Listed(answered("px_1", error_message="a\0b" + "x" * 10**6), None))

    assert row["error_message"].startswith("abx")
    assert len(row["error_message"]) == MAX_CELL


def test_a_line_has_plain_numbers_and_empty_unknowns() -> None:
    first, second = read(Listed(answered("px_1"), None), Listed(accepted("px_2"), None))

    assert tuple(first) == COLUMNS
    assert (first["input_tokens"], first["stream"], first["ttft_ms"], first["cost_usd"]) == ("25", "true", "880.9", "")
    assert first["parameters"] == '{"max_tokens":64}'
    assert (second["input_tokens"], second["outcome"], second["model"]) == ("", "", "claude-sonnet-4-5")


def test_the_smallest_amount_has_no_exponent() -> None:
    (row,) = read(Listed(answered("px_1"), Cost("2025-11", Decimal("4E-8"))))

    assert row["cost_usd"] == "0.00000004"
