"""The traffic generator: plays sessions against one or more base URLs, from a fixed seed."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator, Sequence
from random import Random

import httpx

from proxy.demo.agent import new_session, play_session
from proxy.demo.callers import CALLERS
from proxy.demo.calling import Calling, Played
from proxy.demo.chance import seeded
from proxy.demo.script import play_inbox
from proxy.demo.stories import STORIES

CONCURRENT_SESSIONS = 3
TIMEOUT = httpx.Timeout(600, connect=5)
MODELS = {
    "claude-sonnet-4-6": 5,
    "claude-opus-4-6": 3,
    "claude-sonnet-5-5": 2,
    "claude-haiku-4-5": 1,
}
"""Models of agent sessions and how often each is chosen."""
CALLER_WEIGHTS = (5, 3, 3, 3)
OPENING = (0, 3, 1, 2, 0, 1, 2)
"""The callers of the first sessions, so that each kind of traffic is there from the start."""


async def play(
    base_urls: str | Sequence[str], *, seed: int, sessions: int | None, pace: float, stop: asyncio.Event
) -> Played:
    """Play `sessions` sessions (`None`: for ever), at most three at once, until `stop` is set.

    Sessions take turns among `base_urls`. `pace` multiplies every wait between requests: 1 is lifelike, 0 is none.
    What a session sends depends on the seed, its number and the answers alone. Failures of any kind are counted, never
    raised.
    """
    urls = [base_urls] if isinstance(base_urls, str) else list(base_urls)
    numbers = iter(itertools.count() if sessions is None else range(sessions))
    played = Played()
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(timeout=TIMEOUT, limits=limits, trust_env=False) as http, asyncio.TaskGroup() as group:
        workers = [
            group.create_task(_work(http, urls, seed, numbers, pace, played)) for _ in range(CONCURRENT_SESSIONS)
        ]
        stopper = group.create_task(_cancel_on(stop, workers))
        await asyncio.wait(workers)
        stopper.cancel()
    return played


async def _work(
    http: httpx.AsyncClient, urls: list[str], seed: int, numbers: Iterator[int], pace: float, played: Played
) -> None:
    for number in numbers:
        random = seeded("session", seed, number)
        await _play_one(http, urls[number % len(urls)], number, random, pace, played)
        played.sessions += 1


async def _play_one(
    http: httpx.AsyncClient, base_url: str, number: int, random: Random, pace: float, played: Played
) -> None:
    drawn = random.choices(range(len(CALLERS)), CALLER_WEIGHTS)[0]
    caller = CALLERS[OPENING[number] if number < len(OPENING) else drawn]
    calling = Calling(http, base_url, caller, played, pace)
    if not caller.agent:
        await play_inbox(calling, random)
        return
    story = STORIES[max(0, number - 1) % len(STORIES)]
    model = random.choices(list(MODELS), list(MODELS.values()))[0]
    await play_session(new_session(caller, story, model, random), calling, random)


async def _cancel_on(stop: asyncio.Event, workers: list[asyncio.Task[None]]) -> None:
    await stop.wait()
    for worker in workers:
        worker.cancel()
