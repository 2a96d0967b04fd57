"""`make fuzz`: every target for so many cases with coverage, then a table; what goes wrong is kept in the corpus."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.distil import distil
from tests.fuzz.page import PAGE, Run, line, made, renewed, table
from tests.fuzz.targets import CORPUS, NAMES, corpus, target

STUCK_S = 60
"""Seconds by the clock after which a case that does not end at all is broken off; see `driver.SLOW_S` for the limit."""
_DONE = re.compile(r"Done (\d+) runs")
_COVERED = re.compile(r"cov: (\d+)")


def main(arguments: list[str]) -> int:
    """Runs the targets one after the other; 1 when any of them failed."""
    parser = argparse.ArgumentParser(prog="make fuzz", description="Throw bytes at every target.")
    parser.add_argument("targets", nargs="*", choices=[*NAMES, []], help="all by default")
    parser.add_argument("--cases", type=int, default=100_000, help="for each target")
    parser.add_argument("--seed", type=int, default=0, help="0: another one each time")
    parser.add_argument("--keep", type=Path, help="folder for the inputs that reach new code")
    parser.add_argument("--write", action="store_true", help="write each target's row into docs/fuzz.md")
    parser.add_argument("--distil", action="store_true", help="keep a few of the inputs that reach new code")
    given = parser.parse_args(arguments)
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        for name in given.targets or NAMES:
            found = (given.keep or Path(folder)) / name
            runs.append(_run(name, given.cases, given.seed, found))
            print(line(runs[-1]), flush=True)
            if given.write:
                PAGE.write_text(renewed(PAGE.read_text("utf-8"), runs[-1]), "utf-8")
            if given.distil:
                print(f"{name}: {distil(name, found)} inputs kept", flush=True)
    print(table(map(line, runs)))
    return 1 if any(run.failures for run in runs) else 0


def _run(name: str, cases: int, seed: int, found: Path) -> Run:
    found.mkdir(parents=True, exist_ok=True)
    kept = CORPUS / name
    kept.mkdir(parents=True, exist_ok=True)
    words = found.with_suffix(".dict")
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in target(name).TOKENS))
    before, begun = set(corpus(name)), time.monotonic()
    limits = [f"-runs={cases}", f"-timeout={STUCK_S}", f"-seed={seed}", "-rss_limit_mb=2048", "-max_len=2048"]
    places = [f"-dict={words}", f"-artifact_prefix={kept}/", str(found), str(kept)]
    command = [sys.executable, "-m", "tests.fuzz.driver", name, *limits, *places]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    new = sorted(path.name for path in set(corpus(name)) - before)
    if done.returncode:
        print(done.stderr[-3_000:], file=sys.stderr)
        new = new or ["no input: see above"]
    counted = _DONE.search(done.stderr)
    covered = [int(each) for each in _COVERED.findall(done.stderr)]
    return Run(
        target=name,
        cases=int(counted[1]) if counted else 0,
        seconds=time.monotonic() - begun,
        reached=max(covered, default=0),
        failures=", ".join(new),
        made=made(),
    )


def _escaped(word: bytes) -> str:
    """As libFuzzer's dictionaries spell it."""
    return "".join(chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\x{byte:02x}" for byte in word)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
