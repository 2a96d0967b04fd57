"""The table of `docs/fuzz.md`: a row for every target, each as its last run left it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from platform import python_version

from docs.regions import table as markdown
from tests.fuzz.targets import NAMES, target

PAGE = Path(__file__).parents[2] / "docs" / "fuzz.md"
HEAD = ("Target", "What it is", "Cases", "Seconds", "Reached", "Failures", "Made")
_REGION = re.compile(r"(<!-- made by `make fuzz` -->\n).*?(<!-- end -->)", re.DOTALL)
_ROW = re.compile(r"^\| (\w+) \|.*$", re.MULTILINE)


@dataclass(frozen=True)
class Run:
    """What came of one target."""

    target: str
    cases: int
    seconds: float
    reached: int
    """Branches and comparisons of the product that were seen."""
    failures: str
    """The kept inputs; empty for none."""
    made: str
    """When, and with what."""


def made() -> str:
    """Today, with the versions of what runs."""
    return f"{time.strftime('%Y-%m-%d')}, CPython {python_version()}, atheris {version('atheris')}"


def line(run: Run) -> str:
    """The row of a run."""
    what = (target(run.target).__doc__ or "").partition(":")[0].partition("\n")[0].rstrip(".")
    failures = f"**`{run.failures}`**" if run.failures else "none"
    cells = (run.target, what, f"{run.cases:,}", f"{run.seconds:.0f}", f"{run.reached:,}", failures, run.made)
    return markdown(HEAD, [cells]).splitlines()[2]


def table(rows: Iterable[str]) -> str:
    """A Markdown table of rows."""
    return "\n".join([markdown(HEAD, []), *rows])


def renewed(page: str, run: Run) -> str:
    """The page with the row of this run made anew; the other rows stay. ValueError for a page without the table."""
    region = _REGION.search(page)
    if region is None:
        raise ValueError("the page has no table of `make fuzz`")
    rows = {found[1]: found[0] for found in _ROW.finditer(region[0]) if found[1] in NAMES} | {run.target: line(run)}
    text = table(rows[name] for name in NAMES if name in rows)
    return f"{page[: region.end(1)]}\n{text}\n\n{page[region.start(2) :]}"
