"""What fails: each act is a trouble that holds while its block runs and is over after it."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from tests.kit.conditions import WallClock, filled
from tests.kit.faultproxy import BLACKHOLE, Fault, FaultProxy
from tests.kit.process import Proxy
from tests.receiver import Receiver, Reply

DAY_S = 86_400
BACKLOG_S = 5.0
"""How long after a trouble of the ledger its writers may still work off what waits."""


@dataclass
class Stage:
    """The installation under test, and what was done to it."""

    proxy: Proxy
    upstream: FaultProxy
    receiver: Receiver
    clock: WallClock
    chance: random.Random
    kills: list[tuple[float, float | None]] = field(default_factory=list)
    """When a relay was killed, and since when its ledger could not be written at that time; monotonic."""
    unwritable_since: float | None = None
    """When the ledger became unwritable, if it is or was until just now."""
    writable_again: float = float("-inf")

    @contextlib.contextmanager
    def unwritable(self) -> Iterator[None]:
        """Notes that nothing can be committed now."""
        if self.unwritable_since is None or time.monotonic() > self.writable_again + BACKLOG_S:
            self.unwritable_since = time.monotonic()
        self.writable_again = float("inf")
        try:
            yield
        finally:
            self.writable_again = time.monotonic()

    def kill_a_relay(self) -> None:
        """kill -9 of one of them, noted with what it can have taken."""
        now = time.monotonic()
        behind = now < self.writable_again + BACKLOG_S
        self.kills.append((now, self.unwritable_since if behind else None))
        self.proxy.kill(self.a_relay())

    def a_relay(self) -> str:
        """One of the relay processes."""
        return self.chance.choice(sorted(self.proxy.relays) or ["supervisor"])


Act = Callable[[Stage], AbstractContextManager[object]]

_LINES = (
    Fault(latency=0.4),
    Fault(bytes_per_s=4_000),
    Fault(slice=7, gap=0.001),
    Fault(then="reset", after=900),
    Fault(then="close", after=1_500),
    BLACKHOLE,
)
_ANSWERS = (
    Reply(hang=True),
    Reply(drop=True),
    Reply(status=503, headers={"retry-after": "1"}),
    Reply(status=429),
    Reply(status=500),
    Reply(status=302, headers={"location": "http://127.0.0.1:9/"}),
    Reply(body=b"<html>", content_type="text/html"),
    Reply(raw=b"HTTP/1.1 200 OK\r\ncontent-le"),
)


@contextlib.contextmanager
def upstream_line(stage: Stage) -> Iterator[None]:
    """The line to the upstream is slow, cut or dead, in one direction or both."""
    fault = stage.chance.choice(_LINES)
    directions = stage.chance.choice((("up",), ("down",), ("up", "down")))
    stage.upstream.set(**dict.fromkeys(directions, fault))
    try:
        yield
    finally:
        stage.upstream.set()
        stage.upstream.cut()


@contextlib.contextmanager
def collector_gone(stage: Stage) -> Iterator[None]:
    """Nobody listens where telemetry goes."""
    stage.receiver.stop()
    try:
        yield
    finally:
        stage.receiver.start()


@contextlib.contextmanager
def collector_odd(stage: Stage) -> Iterator[None]:
    """The collector answers what is no success."""
    reply = stage.chance.choice(_ANSWERS)
    for kind in ("logs", "traces", "metrics"):
        stage.receiver.always(kind, reply)
    try:
        yield
    finally:
        for kind in ("logs", "traces", "metrics"):
            stage.receiver.always(kind, None)


@contextlib.contextmanager
def disk_full(stage: Stage) -> Iterator[None]:
    """Not a byte is left on the ledger's disk."""
    with stage.unwritable(), filled(stage.proxy.data):
        yield


@contextlib.contextmanager
def ledger_locked(stage: Stage) -> Iterator[None]:
    """A stranger holds the write lock."""
    with contextlib.closing(sqlite3.connect(stage.proxy.data / "ledger.sqlite3", timeout=10)) as conn:
        conn.isolation_level = None
        with contextlib.suppress(sqlite3.OperationalError), stage.unwritable():
            conn.execute("BEGIN IMMEDIATE")
            yield
            conn.execute("ROLLBACK")
            return
        yield


@contextlib.contextmanager
def long_reader(stage: Stage) -> Iterator[None]:
    """A stranger reads and reads, so that the write-ahead log cannot be cut."""
    with contextlib.closing(sqlite3.connect(f"file:{stage.proxy.data}/ledger.sqlite3?mode=ro", uri=True)) as conn:
        conn.execute("BEGIN")
        conn.execute("SELECT count(*) FROM exchanges").fetchone()
        yield


@contextlib.contextmanager
def observer_killed(stage: Stage) -> Iterator[None]:
    """kill -9 of the observer."""
    with contextlib.suppress(KeyError, ProcessLookupError):
        stage.proxy.kill("observer")
    yield


@contextlib.contextmanager
def relay_killed(stage: Stage) -> Iterator[None]:
    """kill -9 of a relay."""
    with contextlib.suppress(KeyError, ProcessLookupError):
        stage.kill_a_relay()
    yield


def _suspended(choose: Callable[[Stage], str]) -> Act:
    @contextlib.contextmanager
    def act(stage: Stage) -> Iterator[None]:
        number = stage.proxy.run["processes"].get(choose(stage))
        with stage.unwritable():  # it may be stopped while it writes
            _tell(number, signal.SIGSTOP)
            try:
                yield
            finally:
                _tell(number, signal.SIGCONT)

    return act


def _tell(number: int | None, what: signal.Signals) -> None:
    """Nothing happens to a process that has ended meanwhile."""
    if number is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, what)


@contextlib.contextmanager
def clock_jumps(stage: Stage) -> Iterator[None]:
    """The wall clock is a day or an hour off."""
    stage.clock.move(stage.chance.choice((-DAY_S, -3_600, 3_600, DAY_S)))
    try:
        yield
    finally:
        stage.clock.move(0)


ACTS: dict[str, Act] = {
    "upstream": upstream_line,
    "collector gone": collector_gone,
    "collector odd": collector_odd,
    "disk full": disk_full,
    "ledger locked": ledger_locked,
    "long reader": long_reader,
    "observer killed": observer_killed,
    "observer suspended": _suspended(lambda stage: "observer"),
    "relay killed": relay_killed,
    "relay suspended": _suspended(Stage.a_relay),
    "clock": clock_jumps,
}

EXCLUSIVE = (
    {"collector gone", "collector odd"},
    {"disk full", "ledger locked"},
    {"observer killed", "observer suspended"},
    {"relay killed", "relay suspended"},
)
"""What cannot be at the same time."""


def possible(running: set[str]) -> list[str]:
    """Acts that may begin beside those that run; without a disk of their own, the disk stays as it is."""
    barred = running.union(*(group for group in EXCLUSIVE if group & running))
    without = set() if os.geteuid() == 0 else {"disk full"}
    return sorted(ACTS.keys() - barred - without)
