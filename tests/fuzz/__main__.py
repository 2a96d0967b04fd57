"""`make fuzz`: every target for so many cases with coverage, then a table; what goes wrong is kept in the corpus."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.targets import CORPUS, NAMES, corpus, target

SLOW_S = 5
"""A case that takes longer is a hang."""
_DONE = re.compile(r"Done (\d+) runs")
_COVERED = re.compile(r"cov: (\d+)")


@dataclass(frozen=True)
class Run:
    """What came of one target."""

    target: str
    cases: int
    seconds: float
    covered: int
    """Branches and comparisons seen."""
    crash: str
    """The kept input; empty for none."""


def main(arguments: list[str]) -> int:
    """Runs the targets one after the other; 1 when any of them failed."""
    parser = argparse.ArgumentParser(prog="make fuzz", description="Throw bytes at every target.")
    parser.add_argument("targets", nargs="*", choices=[*NAMES, []], help="all by default")
    parser.add_argument("--cases", type=int, default=100_000, help="for each target")
    parser.add_argument("--seed", type=int, default=0, help="0: another one each time")
    parser.add_argument("--keep", type=Path, help="folder for the inputs that reach new code")
    given = parser.parse_args(arguments)
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        for name in given.targets or NAMES:
            runs.append(_run(name, given.cases, given.seed, (given.keep or Path(folder)) / name))
            print(_line(runs[-1]), flush=True)
    print(table(runs))
    return 1 if any(run.crash for run in runs) else 0


def table(runs: list[Run]) -> str:
    """A Markdown table of the runs."""
    head = "| Target | What it is | Cases | Seconds | Reached | Failures |\n|---|---|---:|---:|---:|---|"
    return "\n".join([head, *map(_line, runs)])


def _line(run: Run) -> str:
    what = (target(run.target).__doc__ or "").partition(":")[0].partition("\n")[0].rstrip(".")
    crash = f"`{run.crash}`" if run.crash else "none"
    return f"| {run.target} | {what} | {run.cases:,} | {run.seconds:.0f} | {run.covered:,} | {crash} |"


def _run(name: str, cases: int, seed: int, found: Path) -> Run:
    found.mkdir(parents=True, exist_ok=True)
    kept = CORPUS / name
    kept.mkdir(parents=True, exist_ok=True)
    words = found.with_suffix(".dict")
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in target(name).TOKENS))
    before, begun = set(corpus(name)), time.monotonic()
    limits = [f"-runs={cases}", f"-timeout={SLOW_S}", f"-seed={seed}", "-rss_limit_mb=2048", "-max_len=2048"]
    places = [f"-dict={words}", f"-artifact_prefix={kept}/", str(found), str(kept)]
    command = [sys.executable, "-m", "tests.fuzz.driver", name, *limits, *places]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    new = sorted(path.name for path in set(corpus(name)) - before)
    if done.returncode and not new:
        print(done.stderr[-3_000:], file=sys.stderr)
        new = ["no input: see above"]
    counted = _DONE.search(done.stderr)
    covered = [int(each) for each in _COVERED.findall(done.stderr)]
    return Run(
        name, int(counted[1]) if counted else 0, time.monotonic() - begun, max(covered, default=0), ", ".join(new)
    )


def _escaped(word: bytes) -> str:
    """As libFuzzer's dictionaries spell it."""
    return "".join(chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\x{byte:02x}" for byte in word)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
