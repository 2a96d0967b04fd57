"""`make bench`: this proxy beside no proxy, nginx, LiteLLM and mitmproxy, on the same machine in the same minutes.

CPU time is the figure to trust: load and servers share one machine, so times of the clock are only indicative.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

from benchmarks import environments, plots, report
from benchmarks.measure import Run, measure, on_terminal
from benchmarks.peers import KINDS

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
_REGION = re.compile(r"(<!-- made by `make bench` -->\n).*?(<!-- end -->)", re.DOTALL)


def main(arguments: list[str]) -> int:
    """Measures, prints, and on request writes the page."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--share", type=float, default=1.0, help="of the requests: 0.1 for a quick look")
    parser.add_argument("--only", default="", help="workloads, such as W1,W4,once")
    parser.add_argument("--peers", default="", help="servers whose names contain one of these, such as nginx,proxy")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md and its plots")
    given = parser.parse_args(arguments)
    run = measure(given.rounds, given.share, _words(given.only), _words(given.peers), on_terminal())
    if sys.stderr.isatty():
        print(file=sys.stderr)
    text = page(run, given.rounds)
    print(text)
    if given.write:
        plots.write(run, PAGE.parent)
        made = f"{plots.SHOWN}\n\n{text}"
        PAGE.write_text(
            _REGION.sub(lambda found: f"{found[1]}\n{made}\n\n{found[2]}", PAGE.read_text("utf-8")), "utf-8"
        )
    return 0


def page(run: Run, rounds: int) -> str:
    """The generated part of the page."""
    parts = [_machine(rounds), "## Targets", report.targets(run), "## Servers", _servers(run), "## Workloads"]
    return "\n\n".join([*parts, *(report.workload(run, workload) for workload in run.workloads)])


def _machine(rounds: int) -> str:
    model = next(iter(re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())), platform.machine())
    return (
        f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores ({model}), {platform.system()} {platform.release()},"
        f" CPython {platform.python_version()}, {rounds} rounds; load and upstream on one core, each server on the"
        " other."
    )


def _servers(run: Run) -> str:
    found = {peer for _, peer in run.visits}
    return "\n".join(
        f"- **{kind.name}** ({_version(kind.name)}): {kind.lacks}." for kind in KINDS if kind.name in found
    )


def _version(name: str) -> str:
    if name == "nginx":
        told = subprocess.run(["/usr/sbin/nginx", "-v"], capture_output=True, text=True, check=False).stderr
        return told.strip().rpartition("/")[2] or "unknown"
    if name == "direct":
        return "–"
    if name in ("LiteLLM", "mitmproxy"):
        return environments.version({"LiteLLM": "litellm", "mitmproxy": "mitmdump"}[name])
    return f"uvicorn {version('uvicorn')}, uvloop {version('uvloop')}"


def _words(text: str) -> set[str]:
    return {word for word in text.split(",") if word}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
