"""A hundred thousand calls of which every fifth is left early: does anything grow?"""

from __future__ import annotations

import asyncio
import random

import psutil

from tests.end_to_end.signals import scraped
from tests.kit import laws
from tests.kit.crowd import Crowd
from tests.kit.paced import paced, target
from tests.kit.process import Proxy, wait
from tests.kit.raw import address
from tests.long.figure import Figure, Run, memory, slope
from tests.long.stalls import watched

CLIENTS, PARTS, WARM_PARTS = 40, 20, 6
SLOPE_MB = 1.0
ALLOWED = 10
"""Descriptors and threads that may come and go."""


def measure(run: Run) -> list[Figure]:
    """Slope of memory, descriptors and threads, open requests, and stalls."""
    count = run.of(100_000, 6_000)
    with paced() as upstream:
        proxy = Proxy(run.place("soak"), upstream.url)
        with proxy.running():
            crowd = Crowd(address(proxy.base_url))
            names = ("relay", "observer")
            sizes: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
            held: dict[str, list[int]] = {name: [] for name in names}
            with watched(proxy) as waits:
                for part in range(PARTS):
                    run.say(f"calls {part * count // PARTS:,} of {count:,}")
                    crowd.run(_part(crowd, part, count // PARTS))
                    crowd.heard.clear()
                    crowd.transit_ms = type(crowd.transit_ms)("d")
                    wait(lambda: _open(proxy) == 0, "every request to be over", 60)
                    for name, size in memory(proxy).items():
                        sizes[name].append(((part + 1) * count / PARTS / 10_000, size))
                        held[name].append(_held(proxy.pid(name)))
            open_last = _open(proxy)
            laws.check(proxy)
    return [
        *(_slope(name, sizes[name], count) for name in names),
        *(_flat(name, held[name], count) for name in names),
        Figure(f"{_what(count)}: requests open in the end", "0", f"{open_last:.0f}", open_last == 0),
        waits.figure("soak"),
    ]


async def _part(crowd: Crowd, part: int, count: int) -> None:
    chance, numbers = random.Random(part), iter(range(count))

    async def go_on() -> None:
        client = await crowd.client()
        for number in numbers:
            if not client.usable:
                client = await crowd.client()
            nonce = f"{part}-{number}"
            client.begin(nonce, target(nonce, events=chance.choice((0, 0, 5)), gap=0.01), b"x" * 2_000)
            if number % 5 == 0:
                await asyncio.sleep(chance.random() / 50)
                client.leave()
            await client.over()

    async with asyncio.TaskGroup() as group:
        for _ in range(CLIENTS):
            group.create_task(go_on())


def _open(proxy: Proxy) -> float:
    return scraped(proxy.metrics(), health=True)["proxy_requests_open", frozenset()]


def _held(pid: int) -> int:
    process = psutil.Process(pid)
    return process.num_fds() + process.num_threads()


def _what(count: int) -> str:
    return f"{count:,} calls, 20 % left early"


def _slope(name: str, sizes: list[tuple[float, float]], count: int) -> Figure:
    grown = slope(sizes[WARM_PARTS:])
    warm, last = sizes[WARM_PARTS][1], sizes[-1][1]
    return Figure(
        f"{_what(count)}: memory of the {name}",
        f"≤ {SLOPE_MB:.0f} MB per 10,000",
        f"{grown:+.2f} MB per 10,000, {warm:.0f} MB after the warm-up, {last:.0f} MB in the end",
        grown <= SLOPE_MB,
    )


def _flat(name: str, held: list[int], count: int) -> Figure:
    early, late = max(held[:WARM_PARTS]), max(held[-WARM_PARTS:])
    return Figure(
        f"{_what(count)}: descriptors and threads of the {name} at rest",
        f"at most {ALLOWED} more in the end",
        f"at most {early} in the first {WARM_PARTS} parts, {late} in the last",
        late - early <= ALLOWED,
    )
