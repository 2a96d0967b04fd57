"""The built-in upstream twice, once behind the proxy, and real SDK clients that ask both of them the same."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

import anthropic
import httpx2
import pytest

from proxy.demo.journal import Seen
from proxy.demo.upstream import Upstream
from tests.demo.conftest import VECTORS, Running, listening
from tests.kit import laws
from tests.kit.process import Proxy, Row, wait

Call = Callable[[anthropic.Anthropic], object]
AsyncCall = Callable[[anthropic.AsyncAnthropic], Awaitable[object]]
Headers = list[tuple[str, str]]
PER_CONNECTION = frozenset({"host", "connection"})


@dataclass
class Told:
    """What came of the same call made directly and through the proxy, which both gave the same."""

    result: object
    """What the call returned, or the exception it raised."""
    rows: list[Row]
    """The ledger's, one for each request that the SDK made."""
    seen: list[Seen]
    """The journal's of the upstream behind the proxy."""

    @property
    def row(self) -> Row:
        """The only one."""
        [row] = self.rows
        return row


@dataclass
class Heard:
    """Status and header lines of every answer that a client got."""

    answers: list[tuple[int, Headers]] = field(default_factory=list)

    def note(self, response: httpx2.Response) -> None:
        """Hook of the synchronous client."""
        self.answers.append((response.status_code, response.headers.multi_items()))

    async def note_async(self, response: httpx2.Response) -> None:
        """Hook of the asynchronous client."""
        self.note(response)

    @property
    def told(self) -> list[tuple[int, Headers]]:
        """Without what belongs to one connection, was added by the proxy or depends on which came first."""
        left_out = ("x-proxy-request-id", "connection", *(["anthropic-ratelimit-"] if len(self.answers) > 1 else []))
        return [
            (status, [line for line in lines if not line[0].lower().startswith(tuple(left_out))])
            for status, lines in self.answers
        ]

    @property
    def request_ids(self) -> list[str]:
        """The proxy's own."""
        return [value for _, lines in self.answers for name, value in lines if name == "x-proxy-request-id"]


@dataclass
class Sides:
    """Both ways to the same answers."""

    direct: Running
    behind: Running
    proxy: Proxy

    def ask(
        self, call: Call, scene: str | None = None, *, oauth: bool = False, retries: int = 0, timeout: float = 30
    ) -> Told:
        """Makes a call both ways with the synchronous client and compares what came of it."""

        def one(url: str, heard: Heard) -> object:
            http = anthropic.DefaultHttpxClient(
                event_hooks={"response": [heard.note]}, trust_env=False, verify=False, timeout=timeout
            )
            key, token = credential(oauth)
            with anthropic.Anthropic(
                base_url=url,
                http_client=http,
                api_key=key,
                auth_token=token,
                max_retries=retries,
                default_headers=named(scene),
            ) as client:
                try:
                    return call(client)
                except (anthropic.AnthropicError, httpx2.HTTPError) as error:
                    return error

        return self._both(one)

    def ask_async(self, call: AsyncCall, scene: str | None = None) -> Told:
        """The same with the asynchronous one."""

        async def one(url: str, heard: Heard) -> object:
            http = anthropic.DefaultAsyncHttpxClient(
                event_hooks={"response": [heard.note_async]}, trust_env=False, verify=False
            )
            async with anthropic.AsyncAnthropic(
                base_url=url, http_client=http, api_key=laws.API_KEY, max_retries=0, default_headers=named(scene)
            ) as client:
                try:
                    return await call(client)
                except (anthropic.AnthropicError, httpx2.HTTPError) as error:
                    return error

        return self._both(lambda url, heard: asyncio.run(one(url, heard)))

    def _both(self, one: Callable[[str, Heard], object]) -> Told:
        before = len(self.behind.journal)
        assert len(self.direct.journal) == before
        alone, relayed = Heard(), Heard()
        expected = one(self.direct.url, alone)
        result = one(self.proxy.base_url, relayed)
        assert comparable(result) == comparable(expected)
        assert sorted(relayed.told) == sorted(alone.told)
        seen = self._seen(self.behind, before)
        assert sorted(map(asked, seen)) == sorted(map(asked, self._seen(self.direct, before)))
        return Told(result, self._rows(len(seen), relayed), seen)

    def _seen(self, running: Running, before: int) -> list[Seen]:
        wait(lambda: all(seen.over for seen in running.journal[before:]), "the upstream to be done")
        return running.journal[before:]

    def _rows(self, count: int, heard: Heard) -> list[Row]:
        """The rows of these answers; the newest ones where nothing was answered."""
        if len(heard.request_ids) == count:
            return [self.proxy.exchange(request_id) for request_id in heard.request_ids]
        newest = f"SELECT * FROM exchanges ORDER BY request_id DESC LIMIT {count}"
        wait(lambda: all(row["outcome"] for row in self.proxy.rows(newest)), "the newest records to be closed")
        return self.proxy.rows(newest)[::-1]

    def cost(self, row: Row) -> str | None:
        """The total that the ledger has once the observer has priced it, as text; None for no price."""
        priced = (
            "SELECT c.seq FROM cursors c JOIN journal j ON j.seq <= c.seq WHERE name = 'metrics' AND request_id = ?"
        )
        wait(lambda: self.proxy.rows(priced, row["request_id"]), "the observer to have seen it")
        found = self.proxy.rows("SELECT total FROM costs WHERE latest = 1 AND request_id = ?", row["request_id"])
        return str(found[0]["total"]) if found else None


def asked(seen: Seen) -> tuple[str, ...]:
    """What must be the same at the upstream, whoever asked."""
    fields = sorted(line for line in seen.headers if line[0] not in PER_CONNECTION)
    parts = (seen.method, seen.target, seen.body_sha256, fields, seen.scene, seen.status, seen.complete)
    return tuple(map(repr, parts))


def comparable(result: object) -> object:
    """A result, or what a caller can see of an exception."""
    if isinstance(result, anthropic.APIStatusError):
        return type(result), str(result), result.status_code, result.body, result.request_id
    if isinstance(result, Exception):
        return type(result)
    return result


def named(scene: str | None) -> dict[str, str]:
    """The header that names a scene."""
    return {"x-demo-scene": scene} if scene else {}


def credential(oauth: bool) -> tuple[str | None, str | None]:
    """API key and token of a subscription, of which the other one is None."""
    return (None, laws.OAUTH_TOKEN) if oauth else (laws.API_KEY, None)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sides]:
    """Both upstreams with the same seed and the same still clock, without pauses."""
    now = time.time()
    journals: tuple[list[Seen], list[Seen]] = ([], [])
    apps = [Upstream(seed=7, speed=0, vectors=VECTORS, journal=journal, clock=lambda: now) for journal in journals]
    with listening(apps[0], journals[0]) as direct, listening(apps[1], journals[1]) as behind:
        proxy = Proxy(tmp_path_factory.mktemp("proxy"), behind.url)
        with proxy.running():
            yield Sides(direct, behind, proxy)


@pytest.fixture
def sides(installation: Sides) -> Iterator[Sides]:
    """The module's; ends with the laws."""
    yield installation
    laws.check(installation.proxy)
