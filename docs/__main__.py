"""`python -m docs` writes the tables into the pages; with `--check` it only says which pages are out of date."""

from __future__ import annotations

import sys
from pathlib import Path

from docs import references, regions

FOLDER = Path(__file__).parent


def main(arguments: list[str]) -> int:
    """Writes or checks every page of the folder; the exit code is 1 when a check found something."""
    tables = references.tables()
    stale = []
    for page in sorted(FOLDER.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        renewed = regions.renewed(text, tables)
        if renewed == text:
            continue
        stale.append(page.name)
        if "--check" not in arguments:
            page.write_text(renewed, encoding="utf-8")
    if "--check" in arguments and stale:
        print(f"out of date: {', '.join(stale)}; run `python -m docs`", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
