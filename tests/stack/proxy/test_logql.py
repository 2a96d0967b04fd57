"""Sums over log lines in panels are the sums of the lines, each of which `test_logs` compares with the ledger."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache

import pytest

from tests.stack.proxy.conftest import Installation
from tests.stack.reading_back import Line

_SUM = re.compile(
    r"sum(?: by \((?P<by>\w+)\))?\s*\((?:sum|count)_over_time\((?P<lines>\{service_name=[^\[\]]*?)"
    r"(?:\| unwrap (?P<field>\w+) \| __error__=\"\")?\s*\[(?P<seconds>\d+)s\]\)\)"
)
_NAMED = re.compile(r"\| label_format \w+=`\{\{ default \"\(none\)\" \.\w+ \}\}`")
"""What makes a value of the label of lines that do not have it."""


def _sums(played: Installation) -> Iterator[re.Match[str]]:
    found = {
        match[0]: match
        for uid in played.dashboards
        for answer in played.shown(uid).answers
        if answer.query.source == "loki" and answer.query.is_instant
        for match in _SUM.finditer(answer.query.expression)
    }
    return iter(found.values())


def _added_up(lines: list[Line], found: re.Match[str]) -> dict[str, float]:
    """The sum, or number, of lines by the label."""
    none = "(none)" if _NAMED.search(found["lines"]) else ""
    sums: defaultdict[str, float] = defaultdict(float)
    for line in lines:
        if found["field"] is None or found["field"] in line.labels:
            group = line.labels.get(found["by"]) or none if found["by"] else ""
            sums[group] += 1 if found["field"] is None else float(line.labels[found["field"]])
    return sums


def test_sums_over_lines_are_those_of_the_lines(played: Installation) -> None:
    loki = played.servers["loki"]

    @cache
    def lines(query: str, seconds: int) -> list[Line]:
        return loki.every_line(query, played.at - seconds, played.at)

    compared: set[str | None] = set()
    for found in _sums(played):
        wanted = _added_up(lines(_NAMED.sub("", found["lines"]).strip(), int(found["seconds"])), found)
        given = {one.labels.get(found["by"] or "", ""): one.last for one in loki.instant(found[0], played.at)}
        assert given == pytest.approx(wanted, rel=1e-6), found[0]
        compared.add(found["field"])
    assert compared >= {None, "cost_usd", "input_tokens_total", "output_tokens"}
