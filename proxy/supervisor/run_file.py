"""`run.json` in the data folder: where this run listens, where its token is, and its processes."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from proxy.ledger.folder import Folder, write_private


class RunFile:
    """Written by whoever opened the ports. Processes that run alone each add their part to what is there."""

    def __init__(self, folder: Folder, addresses: Mapping[str, str], *, alone: bool = False) -> None:
        self._path = folder.run
        self._guard = folder.guard
        self._addresses = dict(addresses)
        self._alone = alone
        self._processes: dict[str, int] = {}

    def write(self, processes: Mapping[str, int]) -> None:
        """Replaces the file in one step."""
        with self._guarded():
            others, running = self._others()
            left = _without(running, self._processes)
            self._processes = dict(processes)
            _write(self._path, {**others, **self._addresses}, {**left, **self._processes})

    def supervised(self, processes: Mapping[str, int]) -> None:
        """The same for the children of this process."""
        self.write({"supervisor": os.getpid(), **processes})

    def remove(self) -> None:
        """Takes this run out of the file, and the file away once nobody is left in it."""
        with self._guarded():
            others, running = self._others()
            left = _without(running, self._processes)
            if left:
                _write(self._path, _without(others, self._addresses), left)
            else:
                self._path.unlink(missing_ok=True)

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """One at a time, so that what another process adds meanwhile is not lost."""
        with self._guard.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

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


def _without(known: Mapping[str, object], own: Mapping[str, object]) -> dict[str, object]:
    """What others have written; a name that another relay alone has taken since is theirs."""
    return {name: each for name, each in known.items() if own.get(name) != each}


def _write(path: Path, addresses: Mapping[str, object], processes: Mapping[str, object]) -> None:
    write_private(path, json.dumps({**addresses, "processes": processes}, indent=2).encode() + b"\n")
