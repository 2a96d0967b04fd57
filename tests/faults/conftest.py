"""`--faults-page`: the outcome of every test of the run goes into the table of `docs/faults.md`."""

from __future__ import annotations

import os
import platform
import sqlite3
import time
from collections import Counter
from importlib.metadata import version

import pytest

from tests.faults import matrix
from tests.relay.conftest import installation as installation
from tests.relay.conftest import relayed as relayed


class Outcomes:
    """Counts the outcomes of the cases of each test function."""

    def __init__(self) -> None:
        self.found: dict[str, Counter[str]] = {}
        self._begun = time.monotonic()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        name = report.nodeid.rpartition("::")[2].partition("[")[0]
        if matrix.row_of(name) and (report.when == "call" or report.failed):
            self.found.setdefault(name, Counter())[report.outcome] += 1

    def pytest_sessionfinish(self) -> None:
        seconds = time.monotonic() - self._begun
        versions = ", ".join(f"{name} {version(name)}" for name in ("uvicorn", "zttp", "h11"))
        run = (
            f"Last run: {time.strftime('%Y-%m-%d')}, {sum(map(Counter.total, self.found.values()))} cases in"
            f" {seconds:.0f} s on {os.cpu_count()} cores ({platform.system()} {platform.machine()}), CPython"
            f" {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {versions}."
        )
        text = matrix.PAGE.read_text("utf-8")
        matrix.PAGE.write_text(matrix.page(text, self.found, run), "utf-8")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--faults-page", action="store_true", help="write the outcomes into docs/faults.md")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--faults-page") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Outcomes())
