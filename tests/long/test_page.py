from __future__ import annotations

import pytest

from tests.long.__main__ import RUNS
from tests.long.figure import Figure, percentile, slope
from tests.long.page import PAGE, printed, renewed

HELD = Figure("exit", "≤ 7 s", "6.1 s", held=True)
MISSED = Figure("lost", "0", "3", held=False)


def test_every_run_has_a_place_on_the_page_that_is_made_anew() -> None:
    page = PAGE.read_text("utf-8")
    again = renewed(page, {name: [HELD, MISSED] for name in RUNS}, "Made up.")
    assert again.count("| exit | ≤ 7 s | 6.1 s | yes |") == len(RUNS)
    assert again.count("| lost | 0 | 3 | **no** |") == len(RUNS)
    with pytest.raises(KeyError):
        renewed(page, {"none such": []}, "")


def test_a_figure_that_does_not_hold_is_seen_at_once() -> None:
    assert printed([HELD, MISSED]).splitlines() == [
        "ok   exit",
        "     6.1 s (required: ≤ 7 s)",
        "FAIL lost",
        "     3 (required: 0)",
    ]


def test_percentiles_are_values_that_occurred() -> None:
    values = [float(number) for number in range(1, 101)]
    assert (percentile(values, 50), percentile(values, 99), percentile([7.0], 99)) == (50.0, 99.0, 7.0)
    with pytest.raises(ValueError, match="no values"):
        percentile([], 50)


def test_the_slope_is_that_of_the_line() -> None:
    assert slope([(1, 5), (2, 7), (3, 9)]) == pytest.approx(2)
    assert slope([(1, 5)]) == 0
