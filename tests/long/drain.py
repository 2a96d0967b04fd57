"""SIGTERM while many streams are open, and clients that leave in every phase."""

from __future__ import annotations

import asyncio
import time

from tests.kit import laws
from tests.kit.crowd import Crowd
from tests.kit.paced import Paced, paced, target
from tests.kit.process import Proxy
from tests.kit.raw import address
from tests.long import deaf
from tests.long.figure import Figure, Run, percentile, timed

STREAMS = 200
LIMIT_S, EXIT_S, CLOSED_S = 5, 7.0, 1.0
PHASES = ("waiting for the answer", "uploading", "streaming")


def measure(run: Run) -> list[Figure]:
    """The end of a run with one and two workers, then the end of clients."""
    with paced() as upstream:
        drains = [_drain(run, upstream, workers) for workers in (1, 2)]
        return [*drains, *_leaving(run, upstream), *deaf.measure(run)]


def _drain(run: Run, upstream: Paced, workers: int) -> Figure:
    run.say(f"SIGTERM with {workers} workers")
    limit = f"drain_seconds = {LIMIT_S}"
    proxy = Proxy(run.place(f"drain-{workers}"), upstream.url, relay=limit, arguments=("--workers", str(workers)))
    proxy.start()
    crowd = Crowd(address(proxy.base_url))

    async def held() -> tuple[int, float]:
        for number in range(STREAMS):
            nonce = f"drain{workers}-{number}"
            (await crowd.client()).begin(nonce, target(nonce, events=10_000, gap=0.5))
        for client in tuple(crowd.clients):
            await client.heard_events(1)
        with timed() as seconds:
            return await asyncio.to_thread(proxy.stop), seconds()

    code, seconds = crowd.run(held())
    rows = proxy.rows("SELECT * FROM exchanges WHERE outcome = 'interrupted' AND input_tokens = 25")
    return Figure(
        f"SIGTERM with {STREAMS} open streams and a limit of {LIMIT_S} s, {workers} worker{'s'[: workers - 1]}",
        f"exit ≤ {EXIT_S:.0f} s, {STREAMS} records",
        f"exit code {code} after {seconds:.1f} s, {len(rows)} records",
        code == 0 and seconds <= EXIT_S and len(rows) == STREAMS,
    )


def _leaving(run: Run, upstream: Paced) -> list[Figure]:
    count = run.of(200, 30)
    proxy = Proxy(run.place("leaving"), upstream.url)
    with proxy.running():
        crowd = Crowd(address(proxy.base_url))
        left = crowd.run(_left(run, crowd, count))
        time.sleep(2 * CLOSED_S)
        seen = upstream.seen()
        laws.check(proxy)
    figures = []
    for phase in PHASES:
        closed = [(seen[nonce].closed or float("inf")) - moment for nonce, moment in left[phase].items()]
        figures.append(
            Figure(
                f"client gone while {phase}: upstream closed, {count} times",
                "≤ 1 s",
                f"p50 {percentile(closed, 50) * 1000:.0f} ms, longest {max(closed) * 1000:.0f} ms",
                max(closed) <= CLOSED_S,
            )
        )
    return figures


async def _left(run: Run, crowd: Crowd, count: int) -> dict[str, dict[str, float]]:
    """When each client left, by phase and nonce."""
    left: dict[str, dict[str, float]] = {phase: {} for phase in PHASES}
    for phase in PHASES:
        run.say(f"clients leave while {phase}")
        for number in range(count):
            nonce = f"{phase.split()[0]}-{number}"
            client = await crowd.client()
            match phase:
                case "streaming":
                    client.begin(nonce, target(nonce, events=10_000, gap=0.01))
                    await client.heard_events(2)
                case "uploading":
                    client.begin(nonce, target(nonce), b"x" * 1000, missing=1000)
                    await asyncio.sleep(0.1)
                case _:
                    client.begin(nonce, target(nonce, wait=30))
                    await asyncio.sleep(0.1)
            left[phase][nonce] = time.monotonic()
            client.leave()
    return left
