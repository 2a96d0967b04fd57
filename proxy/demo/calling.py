"""Sends the generator's requests over HTTP, counts them, and tries again as the real clients do."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field

import httpx

from proxy.demo.callers import CallerProfile
from proxy.demo.heard import Heard, read_answer
from proxy.demo.shapes import Block, Pairs

TRIES = 3
UNREACHABLE_SECONDS = 0.2
"""Least wait after a connection failed, whatever the pace: a dead proxy must not be hammered."""
MAX_WAIT_SECONDS = 30.0


@dataclass
class Played:
    """What the generator has sent so far."""

    requests: Counter[str] = field(default_factory=Counter)
    """By operation: hello, models, count_tokens, messages."""
    statuses: Counter[int] = field(default_factory=Counter)
    """By status of the answer."""
    aborts: int = 0
    """Answers we stopped listening to on purpose."""
    broken: int = 0
    """Answers that broke off: connection lost before or within the body."""
    sessions: int = 0
    """Sessions that came to an end."""


class Calling:
    """One caller's way to one base URL; `pace` multiplies every wait."""

    def __init__(self, http: httpx.AsyncClient, base_url: str, caller: CallerProfile, played: Played, pace: float):
        self._http = http
        self._base_url = base_url.rstrip("/")
        self._lines = caller.lines()
        self._played = played
        self._pace = pace

    async def wait(self, seconds: float) -> None:
        """Let time pass, `seconds` at pace 1."""
        await asyncio.sleep(seconds * self._pace)

    async def hello(self) -> None:
        """See whether anybody is there."""
        agent = [(name, value) for name, value in self._lines if name == "User-Agent"]
        await self._once("hello", "HEAD", "/api/hello", agent, b"")

    async def models(self) -> None:
        """List the models."""
        await self._once("models", "GET", "/v1/models?limit=20", self._lines, b"")

    async def count(self, body: Block, lines: Pairs) -> None:
        """Count the tokens of a turn."""
        await self._once(
            "count_tokens", "POST", "/v1/messages/count_tokens?beta=true", [*self._lines, *lines], _bytes(body)
        )

    async def ask(self, body: Block, lines: Pairs, *, beta: bool = True, abort: bool = False) -> Heard:
        """Send a messages request and listen to the end, or (`abort`) leave after the first bytes of the answer.

        Tries again where a client would; the last try asks for the answer in one piece.
        """
        path = "/v1/messages?beta=true" if beta else "/v1/messages"
        for number in range(TRIES):
            final = number == TRIES - 1
            content = _bytes(body | {"stream": False} if final and body.get("stream") else body)
            heard = await self._once("messages", "POST", path, self._retried(lines, number), content, abort=abort)
            if final or not heard.worth_another_try:
                return heard
            await self.wait(min(MAX_WAIT_SECONDS, heard.retry_after or 0.5 * 2**number))
        raise AssertionError("the last try returns")

    def _retried(self, lines: Pairs, number: int) -> Pairs:
        own = [
            (name, str(number) if name.lower() == "x-stainless-retry-count" else value) for name, value in self._lines
        ]
        return [*own, *lines]

    async def _once(
        self, operation: str, method: str, path: str, lines: Pairs, content: bytes, *, abort: bool = False
    ) -> Heard:
        self._played.requests[operation] += 1
        heard = Heard()
        body = bytearray()
        content_type = ""
        try:
            request = httpx.Request(method, self._base_url + path, headers=lines, content=content or None)
            response = await self._http.send(request, stream=True)
            try:
                self._note(heard, response)
                content_type = response.headers.get("content-type", "")
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if abort and heard.status == 200:
                        heard.aborted = True
                        self._played.aborts += 1
                        break
            finally:
                await response.aclose()
        except (httpx.HTTPError, httpx.InvalidURL):
            self._played.broken += 1
            await asyncio.sleep(UNREACHABLE_SECONDS if heard.status is None else 0)
        return read_answer(heard, bytes(body), content_type)

    def _note(self, heard: Heard, response: httpx.Response) -> None:
        heard.status = response.status_code
        self._played.statuses[response.status_code] += 1
        heard.retry_after = _seconds(response.headers.get("retry-after", ""))
        heard.limit_reached = response.headers.get("anthropic-ratelimit-unified-status") == "rejected"


def _bytes(body: Block) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
