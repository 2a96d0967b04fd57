from __future__ import annotations

import re

import pytest

from tests.fuzz.page import PAGE, Run, line, renewed
from tests.fuzz.targets import NAMES

RUN = Run(target="sse", cases=5_000, seconds=1.2, reached=60, failures="", made="today")


def test_a_run_renews_its_own_row_alone() -> None:
    page = PAGE.read_text("utf-8")
    again = renewed(page, RUN)
    changed = set(again.splitlines()) ^ set(page.splitlines())
    assert line(RUN) in changed
    assert {row.split(" | ")[0] for row in changed} == {"| sse"}
    with pytest.raises(ValueError, match="no table"):
        renewed("", RUN)


def test_a_failure_is_seen() -> None:
    assert "| **`crash-1`** |" in line(Run("sse", 7, 1.0, 5, "crash-1", "today"))


def test_the_page_tells_of_every_target_and_of_a_whole_run_without_failures() -> None:
    rows = re.findall(r"^\| (\w+) \| .+ \| ([\d,]+) \| \d+ \| [\d,]+ \| (.+?) \| .+ \|$", PAGE.read_text("utf-8"), re.M)
    assert [name for name, *_ in rows] == list(NAMES)
    assert {(cases, failures) for _, cases, failures in rows} == {("100,000", "none")}
