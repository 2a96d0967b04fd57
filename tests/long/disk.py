"""A ledger whose disk is full for a while: what clients notice, and what comes back by itself. Mounts, so root only."""

from __future__ import annotations

import asyncio
import statistics
import time
from pathlib import Path

import httpx

from tests.kit.conditions import filled, tmpfs
from tests.kit.crowd import Crowd
from tests.kit.paced import paced, target
from tests.kit.process import Proxy, wait
from tests.kit.raw import address
from tests.long.figure import Figure, Run, percentile, timed

RATE = 100
ROUNDS = 9
SETTLING_S = 2
"""After the disk is filled, before calls count: the log that was begun still has room."""
DISK_MB = 128
SHARE = 1.10


def measure(run: Run) -> list[Figure]:
    """Times of calls on a disk with room and on a full one in turns, and the way back."""
    seconds = run.of(10, 5)
    place = run.place("disk")
    with paced() as upstream, tmpfs(place / "data", DISK_MB) as disk:
        proxy = Proxy(place, upstream.url)
        with proxy.running():
            crowd = Crowd(address(proxy.base_url))
            return _measured(run, proxy, crowd, disk, seconds)


def _measured(run: Run, proxy: Proxy, crowd: Crowd, disk: Path, seconds: int) -> list[Figure]:
    crowd.run(_calls(crowd, "warm", 3))
    relay, rounds = proxy.pid("relay"), run.of(ROUNDS, 2)
    free: list[list[float]] = []
    full: list[list[float]] = []
    said: set[str] = set()
    recovered = 0.0
    for number in range(rounds):
        run.say(f"round {number + 1} of {rounds}: room, then none")
        free.append(crowd.run(_calls(crowd, f"free-{number}", seconds)))
        with filled(disk):
            crowd.run(_calls(crowd, f"filled-{number}", SETTLING_S))
            full.append(crowd.run(_calls(crowd, f"full-{number}", seconds)))
            said.update(_degraded(proxy))
        with timed() as since:
            wait(lambda: not _degraded(proxy), "the relay to be well", 120)
            wait(lambda: _recorded(proxy, crowd), "new records", 60)
            recovered = max(recovered, since())
    answered = sum(each.whole and each.status == 200 for each in crowd.heard)
    return [
        _slowed(f"disk full, {rounds} rounds of {seconds} s at {RATE} requests/s", free, full),
        Figure(
            "disk full: calls answered, and said on /readyz",
            "all, yes",
            f"{answered:,} of {len(crowd.heard):,}, {', '.join(sorted(said)) or 'nothing said'}",
            answered == len(crowd.heard) and bool(said),
        ),
        Figure(
            "room again: records kept, without a restart",
            "yes",
            f"after at most {recovered:.1f} s",
            proxy.pid("relay") == relay,
        ),
    ]


def _slowed(what: str, free: list[list[float]], full: list[list[float]]) -> Figure:
    """Medians over the rounds, so that a round that something else disturbed decides nothing."""
    before, during = (statistics.median(percentile(each, 99) for each in rounds) for rounds in (free, full))
    spread = [f"{pick(percentile(each, 99) for each in free):.1f}" for pick in (min, max)]
    return Figure(
        f"{what}: p99 of a call, median of the rounds",
        "within 10 % of that with room",
        f"{during:.1f} ms against {before:.1f} ms, × {during / before:.2f} (with room {' to '.join(spread)} ms)",
        during <= SHARE * before,
    )


async def _calls(crowd: Crowd, label: str, seconds: int) -> list[float]:
    """Milliseconds of each call."""
    began, first = time.monotonic(), len(crowd.heard)
    async with asyncio.TaskGroup() as group:
        for number in range(seconds * RATE):
            await asyncio.sleep(max(0.0, began + number / RATE - time.monotonic()))
            nonce = f"{label}-{number}"
            group.create_task(crowd.ask(nonce, target(nonce), b"x" * 4_096))
    return [((each.ended or 0.0) - each.begun) * 1000 for each in crowd.heard[first:]]


def _degraded(proxy: Proxy) -> list[str]:
    answer = httpx.get(f"{proxy.base_url}/readyz", trust_env=False)
    return list(answer.json().get("degraded", []))


def _recorded(proxy: Proxy, crowd: Crowd) -> bool:
    """Whether a call made now has its record."""
    heard = crowd.run(crowd.ask("again", target("again")))
    time.sleep(0.3)
    return bool(proxy.rows("SELECT 1 FROM exchanges WHERE request_id = ? AND outcome = 'ok'", heard.request_id))
