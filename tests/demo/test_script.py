"""The script that sorts an inbox, seen from the upstream."""

from __future__ import annotations

import asyncio

import httpx

from proxy.demo.callers import CALLERS
from proxy.demo.calling import Calling, Played
from proxy.demo.chance import seeded
from proxy.demo.script import play_inbox
from tests.demo.conftest import Running


def play(upstream: Running, runs: int) -> Played:
    async def main() -> Played:
        played = Played()
        async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
            calling = Calling(http, upstream.url, CALLERS[3], played, 0)
            for number in range(runs):
                await play_inbox(calling, seeded("inbox", number))
        return played

    return asyncio.run(main())


def test_script_lists_models_and_sorts_tickets_without_streaming(upstream: Running) -> None:
    before = len(upstream.journal)
    play(upstream, 1)
    seen = upstream.journal[before:]
    assert seen[0].target == "/v1/models?limit=20"
    assert {one.target for one in seen[1:]} <= {"/v1/messages", "/v1/messages/count_tokens?beta=true"}
    assert all(dict(one.headers)["anthropic-version"] == "2026-10-21" for one in seen)


def test_now_and_then_the_script_makes_a_mistake(upstream: Running) -> None:
    played = play(upstream, 14)
    assert 0 < played.statuses[400] < played.requests["messages"] / 5
    assert played.statuses[200] > 50
