"""A thousand streams at once, with load and upstream on the same cores; and the same without the proxy."""

from __future__ import annotations

import asyncio
from array import array

from tests.kit import laws
from tests.kit.crowd import Crowd
from tests.kit.paced import Paced, paced, target
from tests.kit.process import Proxy
from tests.kit.raw import address
from tests.long.figure import Figure, Run, megabytes, memory, percentile
from tests.long.stalls import watched

EVENTS_PER_S = 5
RAMP_S = 5.0
P50_MS, P99_MS, RSS_MB = 10.0, 50.0, 250.0


def measure(run: Run) -> list[Figure]:
    """Everything that is asked of these streams."""
    count, seconds = run.of(1000, 100), run.of(60, 10)
    with paced() as upstream:
        run.say("streams without the proxy")
        direct = Crowd(address(upstream.url))
        direct.run(_listen(direct, "direct", count, seconds))
        run.say("streams through the proxy")
        proxy = Proxy(run.place("streams"), upstream.url)
        with proxy.running():
            crowd = Crowd(address(proxy.base_url))
            with watched(proxy) as waits:
                sizes = crowd.run(_watched(crowd, proxy, count, seconds))
            figures = _figures(crowd, direct.transit_ms, upstream, proxy, sizes)
            laws.check(proxy)
    return [*figures, waits.figure(f"{count:,} streams")]


async def _listen(crowd: Crowd, label: str, count: int, seconds: int) -> None:
    """Streams that begin one after the other within the ramp; only what comes after it counts for the times."""
    async with asyncio.TaskGroup() as group:
        for number in range(count):
            nonce = f"{label}-{number}"
            way = target(nonce, events=seconds * EVENTS_PER_S, gap=1 / EVENTS_PER_S)
            group.create_task(crowd.ask(nonce, way))
            await asyncio.sleep(RAMP_S / count)
        del crowd.transit_ms[:]


async def _watched(crowd: Crowd, proxy: Proxy, count: int, seconds: int) -> dict[str, float]:
    """The most memory that each process took."""
    most = memory(proxy)
    listening = asyncio.create_task(_listen(crowd, "proxied", count, seconds))
    while not listening.done():
        await asyncio.sleep(2)
        for name, size in memory(proxy).items():
            most[name] = max(most.get(name, 0.0), size)
    await listening
    return most


def _figures(
    crowd: Crowd, direct: array[float], upstream: Paced, proxy: Proxy, sizes: dict[str, float]
) -> list[Figure]:
    seen = upstream.seen()
    whole = [each for each in crowd.heard if each.whole and each.status == 200]
    same = [each for each in whole if each.sha256 == seen[each.nonce].sha256]
    rows = proxy.finished(len(crowd.heard), 60)
    recorded = {row["request_id"] for row in rows if row["outcome"] == "ok"} & {each.request_id for each in whole}
    count, seconds = len(crowd.heard), max(each.events for each in crowd.heard) // EVENTS_PER_S
    what = f"{count:,} streams × {EVENTS_PER_S} events/s for {seconds} s"
    added50, added99 = (percentile(crowd.transit_ms, p) - percentile(direct, p) for p in (50, 99))
    relay = max(size for name, size in sizes.items() if name.startswith("relay"))
    return [
        Figure(
            f"{what}: complete and byte-identical",
            "all",
            f"{len(whole):,} complete, {len(same):,} identical",
            len(same) == count,
        ),
        Figure(
            f"{what}: records",
            "0 lost, 0 duplicated",
            f"{len(recorded):,} of {count:,}, {len(rows):,} in all",
            len(recorded) == count == len(rows),
        ),
        Figure(
            f"{what}: added latency of an event",
            f"p50 ≤ {P50_MS:.0f} ms, p99 ≤ {P99_MS:.0f} ms",
            f"p50 {added50:.1f} ms, p99 {added99:.1f} ms"
            f" (without the proxy {percentile(direct, 50):.1f} and {percentile(direct, 99):.1f} ms)",
            added50 <= P50_MS and added99 <= P99_MS,
        ),
        Figure(f"{what}: memory", f"≤ {RSS_MB:.0f} MB per relay", megabytes(sizes), relay <= RSS_MB),
    ]
