"""The rows of the fault matrix, the tests that are named after them, and the table of both for `docs/faults.md`."""

from __future__ import annotations

import ast
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

import msgspec

FOLDER = Path(__file__).parent
PAGE = FOLDER.parent.parent / "docs" / "faults.md"

GROUPS = {
    "A": "From the client: framing, targets, headers",
    "B": "Slow, greedy and vanishing clients",
    "C": "The upstream",
    "D": "Capture and event streams",
    "E": "Pool of credentials",
    "F": "The ledger",
    "G": "Export of telemetry",
    "H": "Secrets, inspector, injection",
    "I": "Process, time, load",
}
_REGION = re.compile(r"(<!-- made by `make faults` -->\n).*?(<!-- end -->)", re.DOTALL)
_ROW = re.compile(r"test_([a-i]\d+)_")


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One fault or bad input, and what has to happen then."""

    priority: Literal[0, 1, 2]
    """0: must never ship broken; 1: before 1.0; 2: later."""
    fault: str
    required: str
    untested: str | None = None
    """Why no test shows it."""


def rows() -> dict[str, Row]:
    """Every row by its id, in the order of the matrix."""
    return msgspec.convert(tomllib.loads((FOLDER / "matrix.toml").read_text("utf-8")), dict[str, Row])


def tests() -> dict[str, list[str]]:
    """Row id → names of its test functions."""
    found: dict[str, list[str]] = {}
    for path in sorted(FOLDER.glob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (row := row_of(node.name)):
                found.setdefault(row, []).append(node.name)
    return found


def row_of(test: str) -> str | None:
    """The row that a test is named after."""
    named = _ROW.match(test)
    return named[1].upper() if named else None


def page(text: str, results: Mapping[str, Counter[str]], run: str) -> str:
    """The page with its table made anew: test function → outcomes of its cases, and a sentence about the run."""
    return _REGION.sub(lambda found: f"{found[1]}\n{run}\n{_tables(results)}\n{found[2]}", text)


def _tables(results: Mapping[str, Counter[str]]) -> str:
    by_row, known = tests(), rows()
    parts = []
    for letter, title in GROUPS.items():
        lines = [
            _line(row_id, row, by_row.get(row_id, []), results)
            for row_id, row in known.items()
            if row_id.startswith(letter)
        ]
        head = "| Row | P | Fault or bad input | What has to happen | Test | Result |\n|---|---|---|---|---|---|"
        parts.append("\n".join([f"\n## {letter}. {title}\n", head, *lines, ""]))
    return "\n".join(parts)


def _line(row_id: str, row: Row, names: Iterable[str], results: Mapping[str, Counter[str]]) -> str:
    shown = "<br>".join(f"`{name}`" for name in names) or f"none: {row.untested}"
    outcome = "<br>".join(_result(results.get(name, Counter())) for name in names) or "–"
    cells = (row_id, str(row.priority), row.fault, row.required, shown, outcome)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _result(outcomes: Counter[str]) -> str:
    return ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items())) or "not run"
