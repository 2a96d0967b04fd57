"""Write all dashboards to grafana/dashboards, or `--check` that they are written."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from dashboards import cost, health, limits, overview, requests, windows
from dashboards.page import Page

FOLDER = Path(__file__).parent.parent / "grafana" / "dashboards"
PAGES = (overview.page, windows.page, requests.page, cost.page, limits.page, health.page)


def written(page: Page) -> str:
    """The file of a dashboard: the same bytes every time."""
    return json.dumps(page.dashboard(), cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def main(arguments: list[str], folder: Path = FOLDER) -> int:
    """Exit code: 1 when `--check` finds a difference, which it names; 2 for any other argument."""
    if arguments not in ([], ["--check"]):
        print("usage: python -m dashboards [--check]", file=sys.stderr)
        return 2
    texts = {f"{page.uid}.json": written(page) for page in (make() for make in PAGES)}
    if arguments:
        return _check(texts, folder)
    for path in folder.glob("*.json"):
        path.unlink()
    for name, text in texts.items():
        (folder / name).write_text(text, "utf-8")
    return 0


def _check(texts: dict[str, str], folder: Path) -> int:
    there = {path.name: path.read_text("utf-8") for path in folder.glob("*.json")}
    wrong = sorted(name for name in there.keys() | texts.keys() if there.get(name) != texts.get(name))
    for name in wrong:
        print(f"grafana/dashboards/{name} is out of date: run `python -m dashboards`", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
