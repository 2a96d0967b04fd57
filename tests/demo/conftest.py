"""A fake upstream on a real socket for each test module, and real SDK clients that ask it."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anthropic
import httpx
import pytest
import uvloop

from proxy.demo.journal import Seen
from proxy.demo.server import serve
from proxy.demo.upstream import Upstream
from tests.kit.process import wait

VECTORS = Path(__file__).parents[1] / "fixtures" / "vectors"
KEY = "sk-ant-api03-demo"
TOKEN = "sk-ant-oat01-demo"


@dataclass
class Running:
    """A fake upstream that listens."""

    url: str
    journal: list[Seen] = field(default_factory=list)

    @property
    def port(self) -> int:
        """Of the loopback address."""
        return int(self.url.rsplit(":", 1)[1])

    def seen_after(self, count: int) -> Seen:
        """The request that came when there had been `count`, once the upstream is done with it."""
        wait(lambda: len(self.journal) > count and self.journal[count].over, "the request to be over")
        return self.journal[count]

    def last(self) -> Seen:
        """The newest request, once the upstream is done with it."""
        wait(lambda: bool(self.journal) and self.journal[-1].over, "the request to be over")
        return self.journal[-1]

    @contextmanager
    def sdk(self, scene: str | None = None, *, oauth: bool = False) -> Iterator[anthropic.Anthropic]:
        """The real client, which names `scene` in every request and never tries twice."""
        headers = {"x-demo-scene": scene} if scene else {}
        key, token = (None, TOKEN) if oauth else (KEY, None)
        with anthropic.Anthropic(
            base_url=self.url, api_key=key, auth_token=token, max_retries=0, default_headers=headers
        ) as client:
            yield client

    def post(self, body: object, *, path: str = "/v1/messages", **headers: str) -> httpx.Response:
        """One raw request with an API key; header names are given with underscores."""
        lines = {"x-api-key": KEY, "accept-encoding": "identity"}
        lines |= {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx.post(self.url + path, json=body, headers=lines, trust_env=False)

    def raw(self, body: bytes, *, scene: str) -> httpx.Response:
        """One request with any bytes as its body."""
        headers = {"x-api-key": KEY, "x-demo-scene": scene}
        return httpx.post(self.url + "/v1/messages", content=body, headers=headers, trust_env=False)


@contextmanager
def listening(app: Upstream, journal: list[Seen], parser: str = "zttp") -> Iterator[Running]:
    """Serve `app` from a thread while the block runs."""
    sock = socket.create_server(("127.0.0.1", 0), backlog=256)
    url = f"http://127.0.0.1:{sock.getsockname()[1]}"
    loops: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def work() -> None:
        stop = asyncio.Event()
        loops.append((asyncio.get_running_loop(), stop))
        await serve(app, sock, stop=stop, parser=parser)

    def main() -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(work())

    thread = threading.Thread(target=main)
    thread.start()
    wait(lambda: loops, "the loop to turn")
    try:
        yield Running(url, journal)
    finally:
        loop, stop = loops[0]
        loop.call_soon_threadsafe(stop.set)
        thread.join()


@pytest.fixture(scope="module")
def upstream() -> Iterator[Running]:
    """Without pauses and without failures by chance."""
    journal: list[Seen] = []
    with listening(Upstream(seed=7, speed=0, vectors=VECTORS, journal=journal), journal) as running:
        yield running
