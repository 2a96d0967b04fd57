"""Problems are told in constant memory."""

from __future__ import annotations

from proxy.reading.problems import Problems


def test_first_problem_is_told_and_the_others_are_counted() -> None:
    problems = Problems()
    assert problems.summary() is None
    problems.note("a")
    assert problems.summary() == "a"
    problems.note("b")
    problems.note("c")
    assert problems.summary() == "a (and 2 more)"
