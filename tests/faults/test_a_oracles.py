"""The wire suite: requests that servers disagree about, with HAProxy and nginx as judges beside both parsers."""

from __future__ import annotations

import re

import pytest

from tests.faults import wire
from tests.faults.wire import CASES, Case, Measured


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    """What all four fronts made of all cases; the product's laws hold after them."""
    return wire.measure_all(tmp_path_factory.mktemp("wire"))


@pytest.mark.parametrize("parser", ["zttp", "h11"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_case_ends_as_the_gate_must_have_it(measured: Measured, case: Case, parser: str) -> None:
    allowed = case.gate | (case.h11 if parser == "h11" else frozenset())
    assert measured[parser][case.name].said in allowed


@pytest.mark.parametrize("parser", ["zttp", "h11"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_nothing_passes_that_haproxy_or_nginx_stops(measured: Measured, case: Case, parser: str) -> None:
    """What is let through nevertheless has a reason that stands in the table."""
    if parser == "h11" and "ok" in case.h11:
        assert case.remark
    elif not all(measured[judge][case.name].passed for judge in ("haproxy", "nginx")):
        assert not measured[parser][case.name].passed


@pytest.mark.parametrize("case", [case for case in CASES if not case.judge], ids=lambda case: case.name)
def test_a_refused_request_never_reaches_the_upstream_whole(measured: Measured, case: Case) -> None:
    for parser in ("zttp", "h11"):
        found = measured[parser][case.name]
        assert found.passed == (found.said in ("ok", "close-delimited"))


def test_the_page_shows_what_was_measured(measured: Measured) -> None:
    """The judges' columns are those of the versions that it names."""
    shown = re.findall(r"^\| (?!Case|---)(.*) \|$", wire.PAGE.read_text("utf-8"), re.MULTILINE)
    rows = {cells[0]: cells[2:4] for cells in (line.split(" | ") for line in shown)}
    fresh = {case.name: [measured[parser][case.name].said for parser in ("zttp", "h11")] for case in CASES}
    assert rows == fresh, "run `python -m tests.faults.wire`"
