"""`run.json` in the data folder: where this run listens, where its token is, and its processes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from proxy.ledger.folder import write_private


class RunFile:
    """Written by whoever opened the ports. Processes that run alone each add their part to what is there."""

    def __init__(self, path: Path, addresses: Mapping[str, str], *, alone: bool = False) -> None:
        self._path = path
        self._addresses = dict(addresses)
        self._alone = alone
        self._processes: dict[str, int] = {}

    def write(self, processes: Mapping[str, int]) -> None:
        """Replaces the file in one step."""
        self._processes = dict(processes)
        others, running = self._others()
        known = {**others, **self._addresses, "processes": {**running, **self._processes}}
        write_private(self._path, json.dumps(known, indent=2).encode() + b"\n")

    def remove(self) -> None:
        """Takes this run out of the file, and the file away once nobody is left in it."""
        others, running = self._others()
        left = {name: number for name, number in running.items() if name not in self._processes}
        if left:
            kept = {name: value for name, value in others.items() if name not in self._addresses}
            write_private(self._path, json.dumps({**kept, "processes": left}, indent=2).encode() + b"\n")
        else:
            self._path.unlink(missing_ok=True)

    def _others(self) -> tuple[dict[str, object], dict[str, object]]:
        """Addresses and processes that stand in the file already, none unless this run is one of several."""
        if not self._alone:
            return {}, {}
        known = read(self._path)
        processes = known.pop("processes", {})
        return known, dict(processes) if isinstance(processes, dict) else {}


def read(path: Path) -> dict[str, object]:
    """What a run has written; empty if there is none, or nothing that can be read."""
    try:
        known = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
