"""The parts of a page that are made from the code, between two comments that a reader does not see."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

Table = Callable[[], str]
"""Makes the Markdown of one part."""

_REGION = re.compile(r"(<!-- made by `python -m docs`: (?P<name>[a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def renewed(page: str, tables: Mapping[str, Table]) -> str:
    """The page with every marked part made anew. Raises KeyError for a name that no table has."""
    return _REGION.sub(lambda found: f"{found[1]}\n{tables[found['name']]().strip()}\n\n{found[3]}", page)


def names(page: str) -> list[str]:
    """The names of the marked parts."""
    return [found["name"] for found in _REGION.finditer(page)]


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A Markdown table; bars in cells are escaped, line breaks become spaces."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def code(text: str) -> str:
    """A word as it is typed; nothing stays nothing."""
    return f"`{text}`" if text else ""


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
