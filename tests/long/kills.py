"""Relays killed with kill -9 under the load of agents, one after the other, beside an observer that lives on."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field

from benchmarks.processes import free_port
from proxy.ledger.folder import Folder
from proxy.ledger.verify import verify
from tests.kit.alone import alone
from tests.kit.crowd import Crowd, Heard
from tests.kit.paced import Paced, paced, target
from tests.kit.process import Proxy, wait
from tests.kit.raw import address
from tests.long.figure import Figure, Run

CLIENTS = 20
WINDOW_S = 0.1
TURNS = 16
"""So long a session grows, to about 50 kB; then another one begins."""


@dataclass
class Killed:
    """What the kills did."""

    lives: list[tuple[float, float]] = field(default_factory=list)
    """When each relay was started and when it was killed, monotonic."""
    damaged: int = 0


def measure(run: Run) -> list[Figure]:
    """Three figures of so many kills."""
    url = f"http://127.0.0.1:{free_port()}"
    with paced() as upstream:
        env = {"ANTHROPIC_PROXY_RELAY_LISTEN": url.removeprefix("http://")}
        proxy = Proxy(run.place("kills"), upstream.url, env=env)
        crowd = Crowd(address(url))
        with alone(proxy, "observe"):
            killed = crowd.run(_killing(run, proxy, crowd))
            still_open = "SELECT count(*) AS n FROM exchanges WHERE outcome IS NULL"
            wait(lambda: proxy.rows(still_open)[0]["n"] == 0, "everything to be closed", 60)
        findings = verify(Folder(proxy.data))
        return _figures(killed, len(findings), crowd.heard, upstream, proxy)


async def _killing(run: Run, proxy: Proxy, crowd: Crowd) -> Killed:
    killed, stop, numbers, chance = Killed(), asyncio.Event(), itertools.count(), random.Random(1)

    async def go_on() -> None:
        for body in _sessions(chance):
            if stop.is_set():
                return
            nonce = f"kill-{next(numbers)}"
            await crowd.ask(nonce, target(nonce, events=chance.choice((0, 5, 20)), gap=0.02, wait=0.01), body)

    def kill_one() -> None:
        begun = time.monotonic()
        with alone(proxy, "relay") as relay:
            heard = len(crowd.heard)
            wait(lambda: len(crowd.heard) > heard + 2 * CLIENTS, "traffic to flow", 60)
            time.sleep(0.2 + chance.random() / 5)
            relay.kill()
            killed.lives.append((begun, time.monotonic()))
            relay.wait()
        killed.damaged += _damaged(proxy)

    with ExitStack() as last:
        async with asyncio.TaskGroup() as group:
            for _ in range(CLIENTS):
                group.create_task(go_on())
            for number in range(run.of(200, 10)):
                run.say(f"kill {number + 1}")
                await asyncio.to_thread(kill_one)
            await asyncio.to_thread(last.enter_context, alone(proxy, "relay"))
            stop.set()
    return killed


def _sessions(chance: random.Random) -> Iterator[bytes]:
    """The requests of an agent: each repeats the one before and adds to it, so that kills meet pieces being written."""
    while True:
        said: list[dict[str, str]] = []
        for _ in range(TURNS):
            said += [{"role": role, "content": chance.randbytes(750).hex()} for role in ("user", "assistant")]
            yield json.dumps({"model": "claude-sonnet-4-6", "messages": said[:-1]}).encode()


def _damaged(proxy: Proxy) -> bool:
    with closing(sqlite3.connect(proxy.data / "ledger.sqlite3")) as conn:
        return bool(conn.execute("PRAGMA quick_check").fetchall() != [("ok",)])


def _figures(killed: Killed, findings: int, heard: list[Heard], upstream: Paced, proxy: Proxy) -> list[Figure]:
    rows = {row["query"].split("nonce=")[1].split("&")[0]: row["outcome"] for row in proxy.rows()}
    answered = {each.nonce: each for each in heard if each.whole and each.status == 200 and each.ended is not None}
    lost = [_before(killed, each.ended or 0) for nonce, each in answered.items() if rows.get(nonce) != "ok"]
    window = max(lost, default=0.0)
    open_then = [
        nonce
        for nonce, request in upstream.seen().items()
        if request.closed is not None and _before(killed, request.begun) > WINDOW_S
    ]
    without = [nonce for nonce in open_then if rows.get(nonce) != "interrupted"]
    times = f"{len(killed.lives)} × kill -9 under load"
    return [
        Figure(
            f"{times}: damage to the ledger",
            "0",
            f"{killed.damaged} after a kill, {findings} in the end, {len(rows):,} records",
            not (killed.damaged or findings),
        ),
        Figure(
            f"{times}: finished records lost",
            "≤ 100 ms",
            f"{window * 1000:.0f} ms, {len(lost)} of {len(answered):,} records",
            window <= WINDOW_S,
        ),
        Figure(
            f"{times}: calls in flight that have their `interrupted` row",
            "all that were older than 100 ms",
            f"{len(open_then) - len(without)} of {len(open_then)}",
            not without,
        ),
    ]


def _before(killed: Killed, moment: float) -> float:
    """Seconds until the relay of that moment was killed; 0 between two: what a relay said last is read late."""
    return next((end - moment for begun, end in killed.lives if begun <= moment <= end), 0.0)
