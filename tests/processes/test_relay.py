"""A relay process that is drained, row I1, and one that runs alone."""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path

import pytest

from proxy.processes.relay import beside
from tests.kit import laws
from tests.kit.alone import alone
from tests.kit.process import Proxy, wait
from tests.kit.raw import MESSAGES, Connection, address, ask, get
from tests.kit.upstream import DELTA, END, START, Upstream
from tests.processes.load import ANSWER


def test_requests_that_come_as_an_idle_relay_begins_to_drain_are_answered_whole_or_not_at_all(tmp_path: Path) -> None:
    """I1: nothing is cut short before the drain is over"""
    with Upstream(script=lambda talk: talk.stream([START, DELTA, DELTA, END], gap=0.2)).running() as upstream:
        proxy = Proxy(tmp_path, upstream.url)
        with alone(proxy, "relay") as relay, contextlib.ExitStack() as opened:
            clients = []
            first = ask(proxy.base_url, MESSAGES)
            relay.terminate()
            with contextlib.suppress(OSError):
                while True:
                    clients.append(opened.enter_context(Connection(address(proxy.base_url))))
                    clients[-1].send(MESSAGES)
                    time.sleep(0.01)
            replies = [client.reply() for client in clients]
        answered = [reply for reply in (first, *replies) if reply.status]
        assert [(reply.body, reply.ended) for reply in answered] == [(ANSWER, True)] * len(answered)
        assert [row["outcome"] for row in proxy.rows()] == ["ok"] * len(answered)


def test_a_client_that_takes_nothing_does_not_hold_up_the_end(tmp_path: Path) -> None:
    """I1, B-rows: what waits in its connection is let go of when the drain is over"""
    body = bytes(8 << 20)
    with Upstream(script=lambda talk: talk.answer(body)).running() as upstream:
        proxy = Proxy(tmp_path, upstream.url, relay="drain_seconds = 0.5")
        proxy.start()
        with Connection(address(proxy.base_url)) as client:
            client.send(get("/"))
            wait(lambda: proxy.rows(), "the request to be accepted")
            assert proxy.stop() == 0, proxy.said()
        assert [row["outcome"] for row in proxy.finished(1)] == ["interrupted"]
        laws.check(proxy)


def test_what_watches_over_requests_ends_with_the_serving() -> None:
    over: list[str] = []

    async def watch() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            over.append("watch")

    async def serve() -> None:
        await asyncio.sleep(0)
        over.append("serving")

    asyncio.run(beside(serve(), watch()))
    assert over == ["serving", "watch"]


def test_a_relay_whose_watch_over_requests_fails_does_not_go_on_without_deadlines() -> None:
    async def fail() -> None:
        raise ValueError("a watch of no use")

    with pytest.raises(ExceptionGroup) as raised:
        asyncio.run(beside(asyncio.Event().wait(), fail()))  # type: ignore[arg-type]
    assert [str(error) for error in raised.value.exceptions] == ["a watch of no use"]
