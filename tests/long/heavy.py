"""Bodies of 32 MB of JSON, an agent's session, sent and answered while small calls go on: who is held up?"""

from __future__ import annotations

import asyncio
import itertools
import json

from benchmarks.sessions import session
from tests.kit import laws
from tests.kit.crowd import Crowd
from tests.kit.paced import paced, target
from tests.kit.process import Proxy
from tests.kit.raw import Connection, address
from tests.long.figure import Figure, Run
from tests.long.stalls import watched

MEGABYTE = 1_000_000
ASKED_MB = 32
ANSWERED_MB = (32, 15)
"""In turn: one of which only the head is kept, and one that is kept whole."""
SMALL_PER_S = 50


def measure(run: Run) -> list[Figure]:
    """The stalls, and whether all came through."""
    count = run.of(20, 2)
    body = agent_session(ASKED_MB * MEGABYTE)
    with paced() as upstream:
        proxy = Proxy(run.place("stall"), upstream.url)
        with proxy.running():
            crowd = Crowd(address(proxy.base_url))
            with watched(proxy) as waits:
                whole = crowd.run(_beside(run, crowd, count, body))
                proxy.finished(len(crowd.heard) + count, 60)
            laws.check(proxy)
    small = sum(each.whole and each.status == 200 for each in crowd.heard)
    what = f"{count} bodies of {ASKED_MB} MB of JSON, answered by as many, beside {SMALL_PER_S} small calls/s"
    return [
        Figure(
            f"{what}: answered",
            "all",
            f"{whole} of {count}, {small:,} of {len(crowd.heard):,} small ones",
            whole == count and small == len(crowd.heard),
        ),
        waits.figure(f"{ASKED_MB} MB bodies"),
    ]


def agent_session(size: int) -> bytes:
    """A request of about so many bytes, shaped as Claude Code's; no two of its messages are the same."""
    *_, last = session(40)
    body = json.loads(last.request)
    said, body["messages"] = json.dumps(body["messages"], ensure_ascii=False, separators=(",", ":")), []
    for lap in range(round(size / len(said))):
        again = json.loads(said.replace("toolu_01", f"toolu_{lap:04d}"))
        for block in (block for message in again for block in message["content"]):
            name = next(name for name in ("content", "thinking", "text", "input") if name in block)
            block[name] = {**block[name], "lap": lap} if name == "input" else f"{lap}\n{block[name]}"
        body["messages"] += again
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


async def _beside(run: Run, crowd: Crowd, count: int, body: bytes) -> int:
    """Small calls until all large ones are answered; how many of these were whole."""
    whole, over = 0, asyncio.Event()

    async def go_on() -> None:
        numbers = itertools.count()
        while not over.is_set():
            nonce = f"small-{next(numbers)}"
            await crowd.ask(nonce, target(nonce), b"x" * 2_000)
            await asyncio.sleep(1 / SMALL_PER_S)

    async with asyncio.TaskGroup() as group:
        group.create_task(go_on())
        for number in range(count):
            run.say(f"body {number + 1} of {count}")
            size = ANSWERED_MB[number % len(ANSWERED_MB)] * MEGABYTE
            whole += await asyncio.to_thread(_large, crowd.address, f"large-{number}", body, size)
        over.set()
    return whole


def _large(address: tuple[str, int], nonce: str, body: bytes, size: int) -> bool:
    """Whether an answer of that size came whole."""
    way = target(nonce, size=size)
    head = f"POST {way} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
    with Connection(address, timeout=60) as connection:
        connection.send(f"{head}content-length: {len(body)}\r\n\r\n".encode(), body)
        reply = connection.reply()
    return reply.ended and reply.status == 200 and len(reply.body) >= size
