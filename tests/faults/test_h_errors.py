"""Group H, secrets where the proxy itself fails: its own answers, the other dialect, gRPC, dead letters, commands."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import grpc
import pytest

from proxy.settings.otlp import GRPC
from tests.cli.commands import command
from tests.faults.breaking import Breakable
from tests.faults.canaries import HEADERS, RESPONSE_HEADERS, echo, error, kept, leaks, prompt, stream, told
from tests.faults.exporting import QUICK
from tests.kit import laws
from tests.kit.process import Proxy, Row, wait
from tests.kit.raw import Connection, Reply, address, post
from tests.kit.upstream import Talk, Upstream
from tests.receiver_grpc import Answer, GrpcReceiver, grpc_receiver
from tests.relay.conftest import FAST

MOST_BODY = 256 * 1024
LIMITS = f"{FAST}max_requests = 2\nmax_body = {MOST_BODY}\n"
COMMANDS = (("export", "--bodies", "--operation", "all"), ("doctor",), ("config", "show"))
UPSTREAMS = """
[endpoints.default]
path = ""
upstreams = ["anthropic"]
[upstreams.refusing]
url = "http://127.0.0.1:9"
[endpoints.refusing]
upstreams = ["refusing"]
[upstreams.nowhere]
url = "http://nowhere.invalid"
[endpoints.nowhere]
upstreams = ["nowhere"]
[upstreams.plain]
url = "https://127.0.0.1:{port}"
[endpoints.plain]
upstreams = ["plain"]
"""
FAILING = ("proxy.relay.headers", "forwarded")
CHAT, RESPONSES = "/v1/chat/completions", "/v1/responses"


def script(talk: Talk) -> None:
    """Echoes everything, in the dialect of the path."""
    (way,) = talk.seen.values(b"x-way")
    match way:
        case b"silent":
            talk.wait_closed(20)
        case b"error":
            talk.answer(error(talk), status="400 No", headers=RESPONSE_HEADERS)
        case b"stream":
            talk.stream(stream(talk), headers=RESPONSE_HEADERS)
        case _:
            said = echo(talk).encode("unicode_escape").replace(b"\\", b"\\\\").replace(b'"', b'\\"')
            talk.answer(b'{"id": "a", "model": "m", "choices": [{"message": {"content": "' + said + b'"}}]}')


@dataclass
class Case:
    """One way to fail, and what must come of it."""

    status: int
    error_type: str | None
    path: str = "/v1/messages"


OWN = {
    "connect": Case(502, "connect", "/refusing/v1/messages"),
    "dns": Case(502, "dns", "/nowhere/v1/messages"),
    "tls": Case(502, "tls", "/plain/v1/messages"),
    "half": Case(408, "upload_aborted"),
    "too large": Case(413, "body_too_large"),
    "too large at once": Case(413, "body_too_large"),
    "too many": Case(503, "limit"),
    "traceback": Case(500, "internal"),
    "half in the other dialect": Case(408, "upload_aborted", CHAT),
    "traceback in the other dialect": Case(500, "internal", RESPONSES),
}
"""Answers of the proxy's own."""
OTHERS = {
    "chat": Case(200, None, CHAT),
    "chat error": Case(400, None, CHAT),
    "chat stream": Case(200, None, CHAT),
    "responses": Case(200, None, RESPONSES),
    "responses error": Case(400, None, RESPONSES),
    "embeddings": Case(200, None, "/v1/embeddings"),
}
"""Answers of the other dialect's upstream."""


@dataclass
class House:
    """A proxy that can fail, and where it tells of everything."""

    proxy: Proxy
    upstream: Upstream
    parts: Breakable
    otlp: GrpcReceiver

    def send(self, way: str, path: str, more: str = "", *, size: int | None = None) -> Reply:
        """One request full of secrets; with a size, what it says of its body's."""
        body = prompt()
        fields = {**HEADERS, "x-way": way.rpartition(" ")[2]}
        said = "".join(f"{name}: {value}\r\n" for name, value in fields.items()) + more
        sent = post(path, body, said)
        if size is not None:
            sent = sent.replace(b"Content-Length: %d" % len(body), b"Content-Length: %d" % size)
        with Connection(address(self.proxy.base_url)) as connection:
            with contextlib.suppress(OSError):
                connection.send(sent)
            return connection.reply()

    def fail(self, way: str) -> Reply:
        """A request that ends in an answer of the proxy's own."""
        path = OWN[way].path
        if way.startswith("half"):
            return self.send("half", path, size=len(prompt()) + 1)
        if way == "too large at once":
            return self.send(way, path, size=10**9)
        if way.startswith("traceback"):
            with self.parts.broken(FAILING):
                return self.send(way, path)
        if way == "too large":
            return self._too_large(path)
        if way == "too many":
            return self._too_many(path)
        return self.send(way, path)

    def _too_large(self, path: str) -> Reply:
        """In chunks, so that it shows only on the way."""
        said = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\nx-way: chat\r\n{said}\r\n"
        with Connection(address(self.proxy.base_url)) as connection, contextlib.suppress(OSError):
            connection.send(head.encode())
            for _ in range(MOST_BODY // len(prompt()) + 2):
                connection.send(b"%x\r\n%s\r\n" % (len(prompt()), prompt()))
            connection.send(b"0\r\n\r\n")
            return connection.reply()
        raise AssertionError("the connection broke before the answer")

    def _too_many(self, path: str) -> Reply:
        """While as many as there may be wait for an upstream that is silent."""
        with ThreadPoolExecutor() as pool:
            waiting = [pool.submit(self.send, "silent", path) for _ in range(2)]
            open_rows = "SELECT count(*) AS n FROM exchanges WHERE outcome IS NULL"
            wait(lambda: self.proxy.rows(open_rows)[0]["n"] == 2, "two requests under way")
            reply = self.send("chat", path)
        assert {each.result().status for each in waiting} == {504}
        return reply


@dataclass
class Outcome:
    """What was answered and recorded, and all that is kept or told."""

    replies: dict[str, Reply]
    rows: dict[str, Row]
    sinks: dict[str, bytes]


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    folder = tmp_path_factory.mktemp("canaries")
    parts = Breakable(folder / "hook", [FAILING])
    with grpc_receiver() as otlp, Upstream(script=script).running() as upstream:
        credential = f"authorization=Bearer {laws.OAUTH_TOKEN}"
        told_of = {"OTEL_EXPORTER_OTLP_ENDPOINT": otlp.url, "OTEL_EXPORTER_OTLP_PROTOCOL": GRPC, **QUICK}
        env = {**told_of, "OTEL_EXPORTER_OTLP_HEADERS": credential, "PYTHONASYNCIODEBUG": "1"}
        proxy = Proxy(
            folder, upstream.url, relay=LIMITS, rest=UPSTREAMS.format(port=upstream.port), env=env | parts.env
        )
        with proxy.running():
            house = House(proxy, upstream, parts, otlp)
            replies = {way: house.fail(way) for way in OWN}
            refused = f"you sent {laws.OAUTH_TOKEN}"
            otlp.always("logs", Answer(code=grpc.StatusCode.INVALID_ARGUMENT, details=refused))
            replies |= {way: house.send(way, case.path) for way, case in OTHERS.items()}
            rows = {way: proxy.exchange(reply.request_id) for way, reply in replies.items()}
            wait(lambda: len(proxy.rows("SELECT * FROM dead_letters")) >= len(OTHERS), "the records to be given up", 30)
            wait(lambda: _told(otlp, {row["request_id"] for row in rows.values()}), "every span to be exported", 30)
            sinks = kept(proxy) | told(proxy, [row["request_id"] for row in rows.values()])
            sinks |= {f"command {' '.join(words)}": _said(proxy, env, words) for words in COMMANDS}
            sinks["otlp"] = b"\n".join(one.body for one in otlp.received)
            sinks["own answers"] = b"".join(replies[way].head + replies[way].body for way in OWN)
            laws.check(proxy, payloads=[one.body for one in otlp.received])
        yield Outcome(replies, rows, sinks | {f"{name} at rest": data for name, data in kept(proxy).items()})


def _told(otlp: GrpcReceiver, ids: set[str]) -> bool:
    sent = b"".join(one.body for one in otlp.requests("traces"))
    return all(each.encode() in sent for each in ids)


def _said(proxy: Proxy, env: dict[str, str], words: tuple[str, ...]) -> bytes:
    done = command(proxy.folder, *words, "--config", str(proxy.config), "--data", str(proxy.data), env=env)
    assert done.out, done.err
    return (done.out + done.err).encode()


@pytest.mark.parametrize("way", OWN)
def test_h1_the_proxy_fails_in_every_way_that_is_searched(outcome: Outcome, way: str) -> None:
    reply, row = outcome.replies[way], outcome.rows[way]
    assert (reply.status, row["status"], row["error_type"]) == (OWN[way].status, reply.status, OWN[way].error_type)
    assert reply.value(b"x-proxy-error") == row["error_type"].encode()


def test_h1_no_error_path_dialect_sink_or_command_tells_a_secret(outcome: Outcome) -> None:
    assert {name: found for name, data in outcome.sinks.items() if (found := leaks(data))} == {}


def test_h1_there_was_something_to_find_on_each_of_them(outcome: Outcome) -> None:
    sinks = outcome.sinks
    assert {way: outcome.rows[way]["status"] for way in OTHERS} == {way: case.status for way, case in OTHERS.items()}
    assert {outcome.rows[way]["dialect"] for way in OTHERS} == {"openai"}
    assert b"Traceback" in sinks["output"]
    assert b"a fault of the test" in sinks["output"]
    assert sinks["command export --bodies --operation all"].count(b"***") > 200
    assert b"settings" in sinks["command doctor"]
    assert b"you sent" in sinks["file ledger.sqlite3"] + sinks["file ledger.sqlite3-wal"]
    assert sinks["otlp"].count(b"***") > 10
