"""The command line as a process of its own, in a folder and an environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HOME = Path(__file__).parents[2]


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str


def command(folder: Path, *arguments: str, env: dict[str, str] | None = None) -> Done:
    """Runs one command that ends by itself; whatever configures the proxy comes from `env`."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("ANTHROPIC_", "OTEL_"))}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "proxy", *arguments],
        cwd=folder,
        env={**inherited, "PYTHONPATH": str(HOME), "XDG_DATA_HOME": str(folder / "xdg"), **(env or {})},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return Done(done.returncode, done.stdout, done.stderr)
