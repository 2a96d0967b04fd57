"""A relay process's recorder under load, to be killed: `python -m tests.ledger.killed_writer FOLDER PROCESS FIRST`."""

from __future__ import annotations

import os
import sys
import time
from functools import partial
from pathlib import Path

from proxy.ledger import processes
from proxy.ledger.changes import Arrived, Change, Finished, Opened
from proxy.ledger.counters import Counters
from proxy.ledger.folder import Folder
from proxy.ledger.recorder import Recorder
from tests.ledger.samples import body, finished, opened, request_id


def _changes(number: int, process: str) -> list[Change]:
    content = os.urandom(5_000)
    begin: list[Change] = [Opened(opened(number, process)), Arrived(request_id(number), body(content))]
    return [*begin, finished(number, process, content)] if number % 10 else begin


def main() -> None:
    folder, process, first = Folder(Path(sys.argv[1])), sys.argv[2], int(sys.argv[3])
    processes.hold(folder, process)
    recorder = Recorder(folder, process, Counters.create(folder, process))
    recorder.start()
    for number in range(first, first + 100_000):
        for change in _changes(number, process):
            recorder.put(partial(_same, change), 5_000, request_id(number) if isinstance(change, Finished) else None)
        time.sleep(0.0005)


def _same(change: Change) -> Change:
    return change


if __name__ == "__main__":
    main()
