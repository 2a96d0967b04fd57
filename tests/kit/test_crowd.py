"""Clients and upstream of the load tests, without a proxy between them."""

from __future__ import annotations

import asyncio

from tests.kit.crowd import Crowd, Heard
from tests.kit.paced import paced, target
from tests.kit.process import wait
from tests.kit.raw import address


def test_streams_and_answers_are_heard_as_they_were_sent() -> None:
    async def ask(crowd: Crowd) -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(20):
                group.create_task(crowd.ask(f"s{number}", target(f"s{number}", events=5, gap=0.01)))
            client = await crowd.client()
            for number in range(5):
                await client.ask(f"a{number}", target(f"a{number}"), b"x" * 100_000)

    with paced() as upstream:
        crowd = Crowd(address(upstream.url))
        crowd.run(ask(crowd))
        seen = upstream.seen()
    assert len(crowd.heard) == len(seen) == 25
    assert all(each.whole and each.status == 200 for each in crowd.heard)
    assert {each.nonce: each.sha256 for each in crowd.heard} == {nonce: each.sha256 for nonce, each in seen.items()}
    assert sum(each.events for each in crowd.heard) == len(crowd.transit_ms) == 100
    assert all(0 < each < 10_000 for each in crowd.transit_ms)


def test_the_upstream_knows_when_a_client_has_left() -> None:
    async def leave(crowd: Crowd) -> Heard:
        client = await crowd.client()
        heard = client.begin("left", target("left", events=1000, gap=0.01))
        await client.heard_events(1)
        client.leave()
        return heard

    with paced() as upstream:
        crowd = Crowd(address(upstream.url))
        heard = crowd.run(leave(crowd))
        wait(lambda: upstream.seen()["left"].closed, "the upstream to notice")
        left = upstream.seen()["left"]
    assert heard.ended is not None
    assert left.closed is not None
    assert left.closed >= heard.begun
    assert (heard.whole, left.ended) == (False, None)
