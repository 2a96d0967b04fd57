"""The fake upstream: a plain ASGI application that speaks Anthropic's API with lifelike timing, from a seed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from starlette.types import Receive, Scope, Send

from proxy.demo.answering import Answering, Request
from proxy.demo.journal import Seen
from proxy.demo.reply import Close, Reply
from proxy.demo.vectors import load_vectors


class Upstream:
    """Answers like the API.

    `speed` multiplies every pause: 1 is lifelike, 0 is none. `failures` is the share (0 to 1) of messages requests
    without a named scene that fail. `vectors` is a folder of recorded exchanges for `x-demo-vector`; `journal` collects
    what was seen; `clock` gives Unix seconds. A request names its scene with the header `x-demo-scene` (see `scenes`).
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        speed: float = 1.0,
        failures: float = 0.0,
        vectors: Path | None = None,
        journal: list[Seen] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        recorded = load_vectors(vectors) if vectors else {}
        self._answering = Answering(seed=seed, failures=failures, vectors=recorded, clock=clock)
        self._speed = speed
        self._journal = journal
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; a cut answer ends by returning before the body is complete."""
        if scope["type"] != "http":
            return
        seen = _seen(scope)
        if self._journal is not None:
            self._journal.append(seen)
        try:
            body = await _read(receive)
            if body is None:
                seen.left(self._clock())
                return
            seen.arrived(body)
            request = Request(seen.method, scope["path"], seen.target, dict(seen.headers), body)
            seen.scene, reply = self._answering.reply(request)
            await self._perform(reply, receive, send, seen)
        finally:
            seen.over = True

    async def _perform(self, reply: Reply, receive: Receive, send: Send, seen: Seen) -> None:
        """Play a reply while watching for the client to leave."""
        gone = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            watcher = group.create_task(self._watch(receive, gone, seen))
            try:
                await self._play(reply, send, gone, seen)
            finally:
                watcher.cancel()

    async def _watch(self, receive: Receive, gone: asyncio.Event, seen: Seen) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        if not seen.complete:
            seen.left(self._clock())
        gone.set()

    async def _play(self, reply: Reply, send: Send, gone: asyncio.Event, seen: Seen) -> None:
        await self._pause(reply.first_pause, gone)
        if reply.status is not None and not gone.is_set():
            seen.status = reply.status
            lines = [(name.encode(), value.encode()) for name, value in reply.headers]
            await send({"type": "http.response.start", "status": reply.status, "headers": lines})
            for piece in reply.pieces if seen.method != "HEAD" else ():
                await self._pause(piece.pause, gone)
                if gone.is_set():
                    return
                seen.sent(piece.data)
                await send({"type": "http.response.body", "body": piece.data, "more_body": True})
        if reply.close is Close.NEVER:
            await gone.wait()
        elif reply.close is Close.PROPERLY and not gone.is_set():
            seen.complete = True
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _pause(self, seconds: float, gone: asyncio.Event) -> None:
        """Wait, but not for a client that has left; without a pause other tasks still get their turn."""
        delay = seconds * self._speed
        if delay <= 0:
            await asyncio.sleep(0)
            return
        try:
            async with asyncio.timeout(delay):
                await gone.wait()
        except TimeoutError:
            return


def _seen(scope: Scope) -> Seen:
    query = scope["query_string"].decode("latin-1")
    target = scope["raw_path"].decode("latin-1") + (f"?{query}" if query else "")
    headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])
    return Seen(scope["method"], target, headers)


async def _read(receive: Receive) -> bytes | None:
    """The request body, `None` when the client left before its end."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(body)
