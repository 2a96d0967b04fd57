"""A ledger whose disk is full for a while: what clients notice, and what comes back by itself. Mounts, so root only."""

from __future__ import annotations

import asyncio
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
DISK_MB = 128
SHARE = 1.10


def measure(run: Run) -> list[Figure]:
    """Times of calls on an empty and on a full disk, and the way back."""
    seconds = run.of(60, 8)
    place = run.place("disk")
    with paced() as upstream, tmpfs(place / "data", DISK_MB) as disk:
        proxy = Proxy(place, upstream.url)
        with proxy.running():
            crowd = Crowd(address(proxy.base_url))
            return _measured(run, proxy, crowd, disk, seconds)


def _measured(run: Run, proxy: Proxy, crowd: Crowd, disk: Path, seconds: int) -> list[Figure]:
    crowd.run(_calls(crowd, "warm", 3))
    run.say("calls while there is room")
    free = crowd.run(_calls(crowd, "free", seconds))
    relay = proxy.pid("relay")
    with filled(disk):
        run.say("calls on a full disk")
        full = crowd.run(_calls(crowd, "full", seconds))
        degraded = _degraded(proxy)
    run.say("room again")
    with timed() as since:
        wait(lambda: not _degraded(proxy), "the relay to be well", 120)
        wait(lambda: _recorded(proxy, crowd), "new records", 60)
        recovered = since()
    ratio = percentile(full, 99) / percentile(free, 99)
    answered = sum(each.whole and each.status == 200 for each in crowd.heard)
    return [
        Figure(
            f"disk full for {seconds} s at {RATE} requests/s: p99 of a call",
            "within 10 % of before",
            f"{percentile(full, 99):.1f} ms against {percentile(free, 99):.1f} ms, × {ratio:.2f}"
            f" (p50 {percentile(full, 50):.1f} against {percentile(free, 50):.1f} ms)",
            ratio <= SHARE,
        ),
        Figure(
            "disk full: calls answered, and said on /readyz",
            "all, yes",
            f"{answered:,} of {len(crowd.heard):,}, {', '.join(degraded) or 'nothing said'}",
            answered == len(crowd.heard) and bool(degraded),
        ),
        Figure(
            "room again: records kept, without a restart",
            "yes",
            f"after {recovered:.1f} s",
            proxy.pid("relay") == relay,
        ),
    ]


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
