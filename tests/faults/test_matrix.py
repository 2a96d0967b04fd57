"""Every row of the matrix has a test of its name, or says why it has none; the page tells the same."""

from __future__ import annotations

import re

from tests.faults import matrix


def test_every_row_has_a_test_or_a_reason_and_never_both() -> None:
    tests = matrix.tests()
    wrong = [row_id for row_id, row in matrix.rows().items() if (row_id in tests) == (row.untested is not None)]
    assert wrong == []


def test_every_test_is_named_after_a_row_of_its_group() -> None:
    assert sorted(set(matrix.tests()) - matrix.rows().keys()) == []


def test_rows_that_must_never_ship_broken_are_tested() -> None:
    missing = [row_id for row_id, row in matrix.rows().items() if row.priority == 0 and row.untested is not None]
    assert [row_id for row_id in missing if not row_id.startswith("E")] == [], "the pool does not exist yet"


def test_the_page_tells_every_row_and_test() -> None:
    page = matrix.PAGE.read_text("utf-8")
    assert re.findall(r"^\| ([A-I]\d+) \|", page, re.MULTILINE) == list(matrix.rows())
    told = set(re.findall(r"`(test_[a-i]\d+_\w+)`", page))
    assert told == {name for names in matrix.tests().values() for name in names}, "run `make faults`"


def test_the_page_is_of_a_run_in_which_every_test_passed() -> None:
    results = re.findall(r"^\| [A-I]\d+ \|.*\| ([^|]+) \|$", matrix.PAGE.read_text("utf-8"), re.MULTILINE)
    assert len(results) == len(matrix.rows())
    wrong = {each for cell in results for each in cell.split("<br>") if not re.fullmatch(r"\d+ passed|–", each)}
    assert wrong == set(), "mend it and run `make faults`"
    untested = [row for row in matrix.rows().values() if row.untested is not None]
    assert results.count("–") == len(untested)
