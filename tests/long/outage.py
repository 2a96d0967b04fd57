"""A collector that is away for minutes while requests go on."""

from __future__ import annotations

import asyncio
import time

from tests.end_to_end import signals
from tests.faults.exporting import counted, log_id, span_id
from tests.kit import laws
from tests.kit.crowd import Crowd
from tests.kit.paced import paced, target
from tests.kit.process import Proxy, wait
from tests.kit.raw import address
from tests.long.figure import Figure, Run, megabytes, memory, timed
from tests.receiver import Receiver, receiver

RATE = 50
WARM_S = 20
DRAINED_S, GROWTH_MB = 300.0, 20.0


def measure(run: Run) -> list[Figure]:
    """Loss, time to catch up, and memory."""
    seconds = run.of(600, 20)
    with paced() as upstream, receiver() as otlp:
        env = {"OTEL_EXPORTER_OTLP_ENDPOINT": otlp.url, "OTEL_EXPORTER_OTLP_TIMEOUT": "2000"}
        proxy = Proxy(run.place("outage"), upstream.url, env=env)
        with proxy.running():
            crowd = Crowd(address(proxy.base_url))
            run.say("calls while the collector is there")
            crowd.run(_calls(crowd, "there", run.of(WARM_S * 3, WARM_S)))
            wait(lambda: _told(otlp) >= {each.request_id for each in crowd.heard}, "the first logs", 60)
            before = memory(proxy)
            otlp.stop()
            run.say(f"calls while the collector is away for {seconds} s")
            crowd.run(_calls(crowd, "away", seconds))
            grown = {name: size - before[name] for name, size in memory(proxy).items()}
            otlp.start()
            return _figures(run, crowd, otlp, proxy, grown, seconds)


async def _calls(crowd: Crowd, label: str, seconds: int) -> None:
    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number in range(seconds * RATE):
            await asyncio.sleep(max(0.0, began + number / RATE - time.monotonic()))
            nonce = f"{label}-{number}"
            group.create_task(crowd.ask(nonce, target(nonce, events=number % 4, gap=0.02)))


def _told(otlp: Receiver) -> set[str]:
    return {request_id for kind, request_id in map(log_id, otlp.logs()) if kind == "completed"}


def _spans(proxy: Proxy) -> set[str]:
    """Of requests and attempts."""
    return {row["span_id"] for table in ("exchanges", "attempts") for row in proxy.rows(f"SELECT span_id FROM {table}")}


def _figures(
    run: Run, crowd: Crowd, otlp: Receiver, proxy: Proxy, grown: dict[str, float], seconds: int
) -> list[Figure]:
    run.say("the collector is back")
    asked = {each.request_id for each in crowd.heard if each.whole}
    wanting = _lost(otlp, proxy, asked)
    with timed() as drained:
        deadline = time.monotonic() + DRAINED_S * 2
        while any(lost := _lost(otlp, proxy, asked)) and time.monotonic() < deadline:
            time.sleep(1)
        took = drained()
    laws.check(proxy, payloads=[one.body for one in otlp.received])
    spans = len(_spans(proxy))
    what = f"collector away for {seconds} s at {RATE} requests/s"
    return [
        Figure(
            f"{what}: calls unaffected",
            "all",
            f"{len(asked):,} of {len(crowd.heard):,}",
            len(asked) == len(crowd.heard),
        ),
        Figure(
            f"{what}: log records lost", "0", f"{lost[0]} of {len(asked):,}, {wanting[0]:,} were missing", lost[0] == 0
        ),
        Figure(
            f"{what}: spans lost",
            "0",
            f"{lost[1]} of {spans:,}, {wanting[1]:,} were missing",
            lost[1] == 0,
        ),
        Figure(
            f"{what}: counters that differ from the ledger",
            "0",
            f"{lost[2]} of {len(signals.expected(proxy))} series",
            lost[2] == 0,
        ),
        Figure(f"{what}: caught up", "≤ 5 min", f"{took:.0f} s", not any(lost) and took <= DRAINED_S),
        Figure(
            f"{what}: memory grown by",
            f"≤ {GROWTH_MB:.0f} MB",
            megabytes(grown),
            max(grown.values()) <= GROWTH_MB,
        ),
    ]


def _lost(otlp: Receiver, proxy: Proxy, asked: set[str]) -> tuple[int, int, int]:
    """Log records and spans that have not come, and counters that are not what follows from the ledger."""
    differences = signals.differences(counted(proxy, otlp), signals.expected(proxy))
    return len(asked - _told(otlp)), len(_spans(proxy) - set(map(span_id, otlp.spans()))), len(differences)
