"""Two pictures of a run: CPU time and delay of every server, on a logarithmic scale."""

from __future__ import annotations

from pathlib import Path

from benchmarks.measure import Run


def write(run: Run, folder: Path) -> None:
    """Draws into the folder."""
