"""`python -m benchmarks.recorder`: CPU of the recorder's thread per call, part by part, without network or event loop.

Times are medians of groups, also as multiples of a fixed piece of Python work done in the same run: those can be
compared between machines. Function calls and SQL statements per call are the same everywhere, and guarded by a test.
"""

from __future__ import annotations

import gc
import json
import platform
import statistics
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from benchmarks.recording import Recording
from benchmarks.sessions import Turn, session
from proxy.ledger.folder import Folder

REQUEST = b'{"model":"claude-sonnet-4-6","max_tokens":64,"messages":[{"role":"user","content":"%s"}]}' % (b"a" * 900)
ANSWER = (
    b'{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-6","content":[{"type":"text","text":"'
    + b"a" * 1200
    + b'"}],"stop_reason":"end_turn","usage":{"input_tokens":300,"output_tokens":280}}'
)
SENT = [
    *(("host", "127.0.0.1:8080"), ("content-type", "application/json"), ("x-api-key", "sk-ant-api03-bench-000000000")),
    *(("anthropic-version", "2023-06-01"), ("user-agent", "bench/1"), ("content-length", str(len(REQUEST)))),
]
RECEIVED = [("content-type", "application/json"), ("content-length", str(len(ANSWER)))]
_WORK = {"texts": ["words and words"] * 40, "numbers": {str(number): number * 1.5 for number in range(40)}}


class Workload(NamedTuple):
    """Calls that are committed in groups of so many."""

    turns: Callable[[], Iterator[Turn]]
    group: int
    bodies: str


class Cost(NamedTuple):
    """Per call."""

    microseconds: float
    units: float
    """Of the reference work."""
    functions: float
    statements: float


def small(count: int = 1_500) -> Iterator[Turn]:
    """Calls of 1 kB with the same answer."""
    for number in range(count):
        yield Turn(SENT, REQUEST, [*RECEIVED, ("request-id", f"req_{number}")], (ANSWER,))


def agent(first: int = 15, last: int = 45) -> Iterator[Turn]:
    """Turns of an agent's session, about 200 kB each."""
    return (turn for number, turn in enumerate(session(last)) if number >= first)


WORKLOADS = {
    "1 kB, bodies kept": Workload(small, 50, "all"),
    "1 kB, no bodies": Workload(small, 50, "none"),
    "200 kB turn of a session, bodies kept": Workload(agent, 3, "all"),
    "200 kB turn of a session, no bodies": Workload(agent, 3, "none"),
}


def reference() -> None:
    """Half a millisecond of the kind of work that recording is."""
    for _ in range(20):
        read = json.loads(json.dumps(_WORK))
        sorted(read["numbers"].items(), key=lambda pair: str(pair[1]))


def measured(workload: Workload) -> Cost:
    """Record all, the first third to warm up."""
    with tempfile.TemporaryDirectory() as path, closing(Recording(Folder(Path(path) / "data"), workload.bodies)) as to:
        captures = to.captured(workload.turns())
        groups = [captures[start : start + workload.group] for start in range(0, len(captures), workload.group)]
        warm, timed, counted = groups[: len(groups) // 3], groups[len(groups) // 3 : -2], groups[-2:]
        for group in warm:
            to.commit(group)
        gc.collect()
        gc.freeze()
        unit = [_cpu(reference) for _ in timed]
        spent = [_cpu(partial(to.commit, group)) / len(group) for group in timed]
        gc.unfreeze()
        statements: list[str] = []
        to.conn.set_trace_callback(statements.append)
        calls = _counted(lambda: deque(map(to.commit, counted)))
    number = sum(len(group) for group in counted)
    cost, one = statistics.median(spent), statistics.median(unit)
    return Cost(cost * 1e6, cost / one, calls / number, len(statements) / number)


def _cpu(work: Callable[[], object]) -> float:
    begun = time.thread_time()
    work()
    return time.thread_time() - begun


def _counted(work: Callable[[], object]) -> int:
    """How many functions are called."""
    calls = 0

    def count(_: FrameType, event: str, __: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return calls


def main() -> None:
    """Prints one table."""
    print(f"{platform.machine()}, CPython {platform.python_version()}\n")
    print(f"{'per call':40}{'CPU µs':>9}{'x work':>9}{'functions':>11}{'statements':>12}")
    for name, workload in WORKLOADS.items():
        cost = measured(workload)
        print(f"{name:40}{cost.microseconds:9.0f}{cost.units:9.2f}{cost.functions:11.0f}{cost.statements:12.2f}")


if __name__ == "__main__":
    main()
