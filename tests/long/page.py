"""The tables of the figures, on the terminal and in `docs/figures.md`."""

from __future__ import annotations

import os
import platform
import re
import sqlite3
import sys
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from docs.regions import table
from tests.long.figure import Figure

PAGE = Path(__file__).parents[2] / "docs" / "figures.md"
_REGION = r"(<!-- made by `make \w+`: {name} -->\n).*?(<!-- end -->)"


def printed(figures: Sequence[Figure]) -> str:
    """Lines for a terminal."""
    return "\n".join(
        f"{'ok  ' if figure.held else 'FAIL'} {figure.what}\n     {figure.measured} (required: {figure.required})"
        for figure in figures
    )


def renewed(page: str, found: Mapping[str, Sequence[Figure]], made: str) -> str:
    """The page with the tables of these runs made anew. KeyError for a run that has no place there."""
    for name, figures in found.items():
        rows = (
            (figure.what, figure.required, figure.measured, "yes" if figure.held else "**no**") for figure in figures
        )
        text = f"{table(('Figure', 'Required', 'Measured', 'Holds'), rows)}\n\n{made}"
        region = re.search(_REGION.format(name=name), page, re.DOTALL)
        if region is None:
            raise KeyError(name)
        page = f"{page[: region.end(1)]}\n{text}\n\n{page[region.start(2) :]}"
    return page


def machine() -> str:
    """When and on what a run was made."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("uvicorn", "zttp", "uvloop", "httptools"))
    python = ".".join(map(str, sys.version_info[:3]))
    return (
        f"Made on {time.strftime('%Y-%m-%d')} on {os.cpu_count()} cores ({platform.system()} {platform.machine()}),"
        f" load and upstream on the same cores; CPython {python}, SQLite {sqlite3.sqlite_version}, {versions}."
    )
