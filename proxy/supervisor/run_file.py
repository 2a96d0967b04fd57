"""`run.json` in the data folder: where runs listen, where their token is, and their processes.

Each run keeps its part in a lock file that it holds for its life; the file is made of those of the living.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path

from proxy.ledger.folder import Folder, guarded, write_private
from proxy.ledger.locks import taken
from proxy.ledger.processes import Hold, hold

_PREFIX = "run-"


class RunFile:
    """Written by whoever opened the ports."""

    def __init__(self, folder: Folder, addresses: Mapping[str, str]) -> None:
        self._folder = folder
        self._addresses = dict(addresses)
        self._name = f"{_PREFIX}{time.time_ns():016x}-{os.getpid():x}-{os.urandom(4).hex()}"
        self._processes: dict[str, int | None] = {}
        """None for those that do not run now: their names stay this run's."""
        self._hold: Hold | None = None

    def write(self, processes: Mapping[str, int]) -> None:
        """Says who runs now. Raises OSError when that cannot be written."""
        with guarded(self._folder):
            if self._hold is None:
                self._hold = hold(self._folder, self._name)
            self._processes = {**dict.fromkeys(self._processes), **processes}
            part = {"addresses": self._addresses, "processes": self._processes}
            self._folder.lock(self._name).write_text(json.dumps(part), "utf-8")
            self._put_together()

    def supervised(self, processes: Mapping[str, int]) -> None:
        """The same for the children of this process."""
        self.write({"supervisor": os.getpid(), **processes})

    def remove(self) -> None:
        """Takes this run out of the file, and the file away once nobody is left in it."""
        with guarded(self._folder):
            if self._hold is not None:
                self._hold.release()
                self._hold = None
            self._put_together()

    def _put_together(self) -> None:
        """An address is the first one's that has it, as long as that lives; a further process of a name has its id."""
        addresses: dict[str, object] = {}
        processes: dict[str, object] = {}
        paths = [path for path in sorted(self._folder.locks.glob(f"{_PREFIX}*.lock")) if taken(path)]
        for part in map(read, paths):
            addresses = _table(part, "addresses") | addresses
            for name, number in _table(part, "processes").items():
                processes[f"{name}-{number}" if name in processes else name] = number
        if paths:
            known = {**addresses, "processes": {name: each for name, each in processes.items() if each is not None}}
            write_private(self._folder.run, json.dumps(known, indent=2).encode() + b"\n")
        else:
            self._folder.run.unlink(missing_ok=True)


def read(path: Path) -> dict[str, object]:
    """What runs have written; empty if there is none, or nothing that can be read."""
    try:
        known = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _table(part: Mapping[str, object], name: str) -> dict[str, object]:
    table = part.get(name)
    return table if isinstance(table, dict) else {}
