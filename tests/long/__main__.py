"""`python -m tests.long [RUN…] [--quick]`: makes the runs, prints the table, and writes it into `docs/figures.md`.

The exit code is 1 when a figure does not hold.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.long import disk, drain, heavy, kills, outage, soak, streams
from tests.long.figure import Figure, Run
from tests.long.page import PAGE, machine, printed, renewed

RUNS: dict[str, Callable[[Run], list[Figure]]] = {
    "streams": streams.measure,
    "stall": heavy.measure,
    "drain": drain.measure,
    "kills": kills.measure,
    "disk": disk.measure,
    "outage": outage.measure,
    "soak": soak.measure,
}


def main(arguments: list[str]) -> int:
    """Makes the runs that are named, else all."""
    parser = argparse.ArgumentParser(prog="python -m tests.long")
    parser.add_argument("runs", nargs="*", help=f"which of {', '.join(RUNS)}; all by default")
    parser.add_argument("--quick", action="store_true", help="small runs, printed only")
    given = parser.parse_args(arguments)
    names = given.runs or list(RUNS)
    if unknown := set(names) - RUNS.keys():
        parser.error(f"there is no run {', '.join(sorted(unknown))}")
    found: dict[str, list[Figure]] = {}
    for name in names:
        with tempfile.TemporaryDirectory(prefix="figures-") as folder:
            began = time.monotonic()
            found[name] = RUNS[name](Run(Path(folder), given.quick, _progress(name, began)))
            _progress(name, began)("done")
            sys.stderr.write("\n")
            print(printed(found[name]), flush=True)
    if not given.quick:
        PAGE.write_text(renewed(PAGE.read_text("utf-8"), found, machine()), "utf-8")
    return 0 if all(figure.held for figures in found.values() for figure in figures) else 1


def _progress(name: str, began: float) -> Callable[[str], None]:
    """One line that changes on a terminal; one line each elsewhere."""
    start, end = ("\r\x1b[K", "") if sys.stderr.isatty() else ("", "\n")

    def say(text: str) -> None:
        sys.stderr.write(f"{start}{name}  {time.monotonic() - began:5.0f} s  {text}{end}")
        sys.stderr.flush()

    return say


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
