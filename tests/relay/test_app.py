"""The relay as a client sees it: bytes, framing and headers pass unchanged and at once, in both directions."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import gzip
import hashlib
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from proxy.gate import Message
from proxy.ledger.changes import Change
from proxy.relay.app import Relay
from proxy.relay.capture import Capture
from proxy.relay.finish import Finisher
from proxy.relay.routes import Routes
from proxy.relay.upload import Upload
from proxy.relay.upstream import Client, Response
from proxy.relay.upstream.answer import Answer, AnswerParser
from proxy.relay.upstream.connection import Connection
from proxy.relay.upstream.origin import Origin
from proxy.serving.process import run
from proxy.settings import shape as settings
from tests.faults.failing import FailAt, Inside
from tests.kit import raw
from tests.kit.laws import API_KEY
from tests.kit.process import wait
from tests.kit.raw import MESSAGES, get, post
from tests.kit.upstream import DELTA, END, START, Script, Talk, Upstream, ok
from tests.relay.conftest import Relayed


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("size", [0, 1, 1_000, 200_000, 32 << 20], ids=str)
def test_bodies_of_any_size_pass_unchanged_both_ways(relayed: Relayed, size: int) -> None:
    """L4, A21"""
    body, answer = os.urandom(size), os.urandom(size)
    relayed.upstream.script = lambda talk: talk.answer(answer, content_type="application/octet-stream")
    reply = relayed.ask(post("/v1/messages", body))
    assert sha(reply.body) == sha(answer)
    assert relayed.last.sha256 == sha(body)
    row = relayed.proxy.exchange(reply.request_id)
    assert (row["request_sha256"], row["response_sha256"]) == (sha(body), sha(answer))
    assert (row["request_bytes"], row["response_bytes"], row["delivered_bytes"]) == (size, size, size)


def test_a_slow_upload_streams_through_while_it_arrives(relayed: Relayed) -> None:
    with relayed.connect() as connection:
        connection.send(b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 6\r\n\r\nabc")
        wait(lambda: relayed.upstream.seen and relayed.last.body == b"abc", "the first half of the body")
        connection.send(b"def")
        assert connection.reply().status == 200
    assert relayed.last.body == b"abcdef"


def test_compressed_bodies_pass_as_they_are(relayed: Relayed) -> None:
    """C18, A22"""
    body = gzip.compress(b'{"model": "claude-sonnet-4-6", "stream": false}')
    answer = gzip.compress(b'{"type": "message"}')
    relayed.upstream.script = lambda talk: talk.answer(answer, headers="content-encoding: gzip\r\n")
    reply = relayed.ask(post("/v1/messages", body, "Content-Encoding: gzip\r\nAccept-Encoding: gzip, br, zstd\r\n"))
    assert reply.body == answer
    assert relayed.last.body == body
    assert relayed.last.values(b"accept-encoding") == [b"gzip, br, zstd"]
    assert relayed.proxy.exchange(reply.request_id)["model"] == "claude-sonnet-4-6"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE"])
def test_every_ordinary_method_is_relayed_and_recorded(relayed: Relayed, method: str) -> None:
    reply = relayed.ask(get("/v1/anything/at/all", method=method))
    assert relayed.last.line == f"{method} /v1/anything/at/all HTTP/1.1".encode()
    row = relayed.proxy.exchange(reply.request_id)
    assert (row["method"], row["operation"], row["outcome"]) == (method, "other", "ok")


def test_an_endpoint_is_named_by_the_first_segment_of_the_path(relayed: Relayed) -> None:
    """S0-32"""
    staging = relayed.ask(post("/staging/v1/messages", b"{}"))
    assert relayed.last.line == b"POST /v1/messages HTTP/1.1"
    default = relayed.ask(post("/stagingish/v1/messages", b"{}"))
    assert relayed.last.line == b"POST /stagingish/v1/messages HTTP/1.1"
    names = [relayed.proxy.exchange(reply.request_id)["endpoint"] for reply in (staging, default)]
    assert names == ["staging", "default"]


def test_request_headers_keep_order_duplicates_and_values(relayed: Relayed) -> None:
    """A11, A12, A24: nothing is invented, hop-by-hop and control fields stay here"""
    fields = (
        "User-Agent: claude-cli/2.1.329 (external, cli)\r\nanthropic-beta: a\r\nX-Empty:\r\nanthropic-beta: b,c\r\n"
        f"x-api-key: {API_KEY}\r\nAuthorization: Bearer {API_KEY}\r\nX_Api_Key: {API_KEY}\r\nAnthropic-Beta: d\r\n"
        "anthropic-version: 2026-10-21\r\nCookie: a=b\r\nX-Utf: é\r\nX-Hop: 1\r\nConnection: x-hop\r\n"
        "Keep-Alive: 5\r\nTE: trailers\r\nProxy-Authorization: x\r\nX-Proxy-Workflow: nightly\r\n"
    )
    reply = relayed.ask(post("/v1/messages", b"{}", fields))
    assert reply.status == 200
    assert relayed.last.headers[0] == (b"host", f"127.0.0.1:{relayed.upstream.port}".encode())
    assert sorted(relayed.last.headers[1:]) == sorted(
        [
            (b"content-length", b"2"),
            (b"user-agent", b"claude-cli/2.1.329 (external, cli)"),
            (b"anthropic-beta", b"a"),
            (b"x-empty", b""),
            (b"anthropic-beta", b"b,c"),
            (b"x-api-key", API_KEY.encode()),
            (b"authorization", b"Bearer " + API_KEY.encode()),
            (b"x_api_key", API_KEY.encode()),
            (b"anthropic-beta", b"d"),
            (b"anthropic-version", b"2026-10-21"),
            (b"cookie", b"a=b"),
            (b"x-utf", "é".encode()),
        ]
    )
    assert relayed.last.values(b"anthropic-beta") == [b"a", b"b,c", b"d"]
    assert relayed.proxy.exchange(reply.request_id)["workflow"] == "nightly"


def test_response_headers_keep_order_case_and_duplicates(relayed: Relayed) -> None:
    """C4, C17: cookies are not folded"""
    relayed.upstream.script = lambda talk: talk.answer(
        b"{}",
        headers="Set-Cookie: a=1\r\nset-cookie: b=2\r\nRequest-Id: req_1\r\nX-Hop: 1\r\n"
        "Connection: X-Hop\r\nKeep-Alive: 5\r\n",
    )
    reply = relayed.ask(get("/"))
    assert reply.headers == [
        (b"content-type", b"application/json"),
        (b"content-length", b"2"),
        (b"Set-Cookie", b"a=1"),
        (b"set-cookie", b"b=2"),
        (b"Request-Id", b"req_1"),
        (b"x-proxy-request-id", reply.request_id.encode() if reply.request_id else b""),
    ]
    assert relayed.proxy.exchange(reply.request_id)["upstream_request_id"] == "req_1"


def test_no_cookie_of_one_client_reaches_another_request(relayed: Relayed) -> None:
    """C17"""
    relayed.upstream.script = lambda talk: talk.answer(b"{}", headers="Set-Cookie: session=1; Path=/\r\n")
    for _ in range(2):
        relayed.ask(get("/"))
    assert relayed.last.values(b"cookie") == []


def test_request_ids_sort_by_time_of_acceptance(relayed: Relayed) -> None:
    ids = [relayed.ask(get("/")).request_id or "" for _ in range(5)]
    assert ids == sorted(ids)
    assert all(len(request_id) == 29 and request_id.startswith("px_") for request_id in ids)


def test_a_refused_request_is_answered_in_the_callers_dialect_and_recorded(relayed: Relayed) -> None:
    """A10, A15"""
    reply = relayed.ask(post("/v1/messages", b"{}", "Expect: 200-maybe\r\n"))
    assert reply.status == 417
    assert reply.json()["error"] == {
        "type": "invalid_request_error",
        "message": "anthropic-proxy: the only expectation understood is '100-continue'.",
    }
    openai = relayed.ask(post("/v1/chat/completions", b"{}", "Upgrade: h2c\r\n"))
    assert set(openai.json()["error"]) == {"message", "type", "param", "code"}  # type: ignore[call-overload]
    for answer in (reply, openai):
        row = relayed.proxy.exchange(answer.request_id)
        assert (row["outcome"], row["status"]) == ("rejected", answer.status)
    assert relayed.upstream.seen == []


class EverySecond:
    """Answers the first request of each connection and resets it at the next."""

    def __init__(self) -> None:
        self._asked = Counter[int]()

    def __call__(self, talk: Talk) -> None:
        self._asked[talk.seen.connection] += 1
        if self._asked[talk.seen.connection] == 1:
            talk.answer(b"{}")
        else:
            talk.reset()


def broken_off(talk: Talk) -> None:
    talk.stream([START, DELTA], end=False)
    talk.reset()


def never_ended(talk: Talk) -> None:
    talk.stream([START, DELTA], end=False)
    talk.wait_closed()


def nonsense(talk: Talk) -> None:
    talk.send(b"nonsense\r\n\r\n")
    talk.close()


ENDS: dict[str, tuple[Script, bytes]] = {
    "plain": (ok, MESSAGES),
    "stream": (lambda talk: talk.stream([START, DELTA, END]), MESSAGES),
    "upload": (ok, post("/v1/messages", b"a" * 300_000)),
    "refused here": (ok, get("/", host="unknown.test")),
    "reset": (lambda talk: talk.reset(), MESSAGES),
    "dead connection": (EverySecond(), MESSAGES),
    "no HTTP": (nonsense, MESSAGES),
    "broken off": (broken_off, MESSAGES),
    "left": (never_ended, MESSAGES),
}


def held() -> list[object]:
    """What is in memory of requests, but for the idle connections."""
    everything = [each for each in gc.get_objects() if isinstance(each, (Origin, *OF_REQUESTS))]
    idle = [connection for each in everything if isinstance(each, Origin) for connection in each._idle]
    kept = {id(part) for one in idle for part in (one, one._parser, one._parser._answer)}
    return [each for each in everything if not isinstance(each, Origin) and id(each) not in kept]


OF_REQUESTS = (Capture, Upload, Response, Answer, AnswerParser, Connection)


@pytest.mark.parametrize(("script", "request_"), ENDS.values(), ids=ENDS)
def test_of_a_request_that_is_over_nothing_waits_for_a_garbage_collection(
    tmp_path: Path, script: Script, request_: bytes
) -> None:
    """I8: those who leave, break off or are refused cost no memory either."""
    gc.collect()
    gc.disable()
    try:
        with (
            Upstream(script=script).running() as upstream,
            Inside(tmp_path, upstream.url, FailAt()).running() as inside,
        ):
            for _ in range(5):
                with raw.Connection(raw.address(inside.url)) as connection:
                    connection.send(request_)
                    assert connection.until(DELTA) if script is never_ended else connection.reply().status
            wait(lambda: not held(), "what is held of requests to be let go")
    finally:
        gc.enable()


class Busy:
    """A recorder that asks every request for a pause."""

    def __init__(self) -> None:
        self.ends: list[bool] = []
        """Of what was put: whether it ends its exchange."""

    def put(
        self,
        work: Callable[[], Change | None],
        held: int,
        request_id: str | None = None,
        shed: Callable[[], None] | None = None,
    ) -> None:
        self.ends.append(request_id is not None)

    def pace(self) -> float:
        return 1.0


@pytest.mark.parametrize(("room", "waits"), [(0, False), (1, True)], ids=["full", "not full"])
def test_a_request_beyond_the_limit_does_not_wait_for_the_recorder(room: int, waits: bool) -> None:
    """B11, compared with one for which there is room; while that waits, its row is open already."""
    answers: list[Message] = []
    recorder = Busy()

    async def send(message: Message) -> None:
        answers.append(message)

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def ask() -> None:
        relay = Relay(
            routes=Routes(
                {"default": settings.Endpoint(upstreams=("one",))}, {"one": settings.Upstream(url="http://127.0.0.1:1")}
            ),
            client=Client(asyncio.get_running_loop(), connect_timeout=5),
            recorder=recorder,
            finish=Finisher(process="one", salt=b"", capture=settings.Capture(), read_failed=lambda: None),
            limits=settings.Relay(max_requests=room),
            capture=settings.Capture(),
        )
        scope = {"type": "http", "method": "GET", "raw_path": b"/", "query_string": b"", "headers": []}
        async with asyncio.timeout(0.3):
            await relay(scope, receive, send)

    with pytest.raises(TimeoutError) if waits else contextlib.nullcontext():
        run(ask())
    told = [dict(answer["headers"])[b"x-proxy-error"] for answer in answers if "headers" in answer]
    assert told == ([] if waits else [b"limit"])
    assert recorder.ends == ([False, True] if waits else [True])
