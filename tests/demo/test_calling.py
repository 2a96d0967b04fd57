"""Sending and trying again, against the upstream's failing scenes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import TypeVar

import httpx
import pytest

from proxy.demo.callers import CALLERS
from proxy.demo.calling import Calling, Played
from proxy.demo.heard import Heard
from proxy.demo.shapes import Block
from tests.demo.conftest import Running

T = TypeVar("T")
BODY: Block = {
    "model": "claude-sonnet-4-6",
    "max_tokens": 9_000,
    "stream": True,
    "messages": [{"role": "user", "content": "x"}],
}


def using(upstream: Running, act: Callable[[Calling], Awaitable[T]]) -> tuple[T, Played]:
    async def main() -> tuple[T, Played]:
        played = Played()
        async with httpx.AsyncClient(trust_env=False) as http:
            return await act(Calling(http, upstream.url, CALLERS[0], played, 0)), played

    return asyncio.run(main())


def asking(upstream: Running, scene: str, *, abort: bool = False) -> tuple[Heard, Played]:
    return using(upstream, lambda calling: calling.ask(BODY, [("x-demo-scene", scene)], abort=abort))


@pytest.mark.parametrize("scene", ["overloaded", "rate_limited", "bad_gateway", "api_error"])
def test_failing_answers_are_tried_three_times(upstream: Running, scene: str) -> None:
    before = len(upstream.journal)
    heard, played = asking(upstream, scene)
    assert not heard.complete
    assert played.requests["messages"] == 3
    tries = [dict(seen.headers)["x-stainless-retry-count"] for seen in upstream.journal[before:]]
    assert tries == ["0", "1", "2"]


@pytest.mark.parametrize("scene", ["limit_reached", "prompt_too_long", "unauthorized"])
def test_hopeless_answers_are_tried_once(upstream: Running, scene: str) -> None:
    _, played = asking(upstream, scene)
    assert played.requests["messages"] == 1


def test_last_try_asks_for_one_piece(upstream: Running) -> None:
    heard, played = asking(upstream, "error_midstream")
    assert heard.status == 529
    assert played.statuses == {200: 2, 529: 1}


def test_cut_answers_are_counted_as_broken(upstream: Running) -> None:
    heard, played = asking(upstream, "cut")
    assert (played.broken, heard.complete) == (3, False)


def test_abort_leaves_after_the_first_bytes(upstream: Running) -> None:
    heard, played = asking(upstream, "stalled", abort=True)
    assert heard.aborted
    assert (played.aborts, played.requests["messages"]) == (1, 1)
    assert upstream.last().disconnected


def test_compressed_stream_is_heard(upstream: Running) -> None:
    heard, _ = asking(upstream, "gzip")
    assert heard.complete
    assert len(heard.text) > 10_000


def test_header_lines_of_both_callers_arrive(upstream: Running) -> None:
    asking(upstream, "text")
    headers = dict(upstream.last().headers)
    assert headers["user-agent"] == "claude-cli/2.1.329 (external, cli)"
    assert headers["accept-encoding"] == "gzip, deflate, br, zstd"
    assert json.loads(CALLERS[0].user_id("s"))["session_id"] == "s"


def test_other_operations_are_counted_by_name(upstream: Running) -> None:
    async def act(calling: Calling) -> None:
        await calling.hello()
        await calling.models()
        await calling.count({name: BODY[name] for name in ("model", "messages")}, [])

    _, played = using(upstream, act)
    assert played.requests == {"hello": 1, "models": 1, "count_tokens": 1}
    assert played.statuses == {200: 3}
