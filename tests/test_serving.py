"""uvicorn as both ports use it: on real sockets with both parsers, and the watch over connections on its own clock."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import cast

import pytest

from proxy.gate import App, Receive, Scope, Send
from proxy.serving.connections import Connection as Watched
from proxy.serving.connections import Limits, Phase, Watch, phase
from proxy.serving.process import connections, on_stop, run
from proxy.serving.server import Parser, Server, server
from tests.kit.process import wait
from tests.kit.raw import Connection, Reply

PARSERS: tuple[Parser, ...] = ("zttp", "h11")
HEAD = b"POST /x HTTP/1.1\r\nHost: localhost\r\n"


@dataclass(eq=False)
class Transport:
    """What the watch asks of a transport, and does to it."""

    closing: bool = False
    buffered: int = 0
    ended: bool = False

    def is_closing(self) -> bool:
        return self.closing

    def get_write_buffer_size(self) -> int:
        return self.buffered

    def abort(self) -> None:
        self.ended = self.closing = True


@dataclass(eq=False)
class Cycle:
    """A request and its answer."""

    more_body: bool = False
    response_started: bool = False
    response_complete: bool = False
    disconnected: bool = False


@dataclass(eq=False)
class Flow:
    """uvicorn's flow control."""

    write_paused: bool = False


@dataclass(eq=False)
class Client:
    """A connection in any state."""

    transport: Transport = field(default_factory=Transport)
    flow: Flow = field(default_factory=Flow)
    cycle: Cycle | None = None
    opened: float = 0.0
    timeout_keep_alive_task: object | None = None

    @property
    def watched(self) -> Watched:
        """As the watch knows it."""
        return cast(Watched, self)


LIMITS = Limits(head=10, body=30, stall=60, connections=3)


def ended_after(
    client: Client, limits: Limits = LIMITS, change: Callable[[Client], None] | None = None
) -> float | None:
    """Seconds until the watch ends a connection, None for within two minutes not."""
    watch, now = Watch(limits), 1000.0
    watch.look([], now)
    while now < 1120:
        now += 0.1
        watch.look([client.watched], now)
        if client.transport.ended:
            return round(now - 1000, 1)
        if change is not None:
            change(client)
    return None


def test_a_head_has_its_time_and_never_more() -> None:
    """B1"""
    after = ended_after(Client())
    assert after is not None
    assert 9 <= after <= 10


def test_a_further_head_has_the_same_time_as_the_first() -> None:
    idle = Client(cycle=Cycle(response_complete=True), timeout_keep_alive_task=object())
    assert ended_after(idle) is None
    idle.timeout_keep_alive_task = None
    assert ended_after(idle) == pytest.approx(10, abs=1)


def test_a_body_has_a_limit_only_where_the_port_sets_one() -> None:
    """B3: the relay judges uploads itself, the inspector takes forms only"""
    uploading = Client(cycle=Cycle(more_body=True))
    assert ended_after(uploading) == pytest.approx(30, abs=1)
    assert ended_after(Client(cycle=Cycle(more_body=True)), Limits()) is None


def test_an_answer_may_take_any_time_while_the_client_takes_something() -> None:
    """B4"""
    waiting = Client(cycle=Cycle())
    assert ended_after(waiting) is None
    stalled = Client(cycle=Cycle(), flow=Flow(write_paused=True), transport=Transport(buffered=100_000))
    assert ended_after(stalled) == pytest.approx(60, abs=1)

    def take(client: Client) -> None:
        client.transport.buffered -= 1

    reading = Client(cycle=Cycle(), flow=Flow(write_paused=True), transport=Transport(buffered=100_000))
    assert ended_after(reading, change=take) is None


def test_a_connection_that_cannot_close_because_nobody_reads_is_broken() -> None:
    assert ended_after(Client(transport=Transport(closing=True, buffered=5))) == pytest.approx(60, abs=1)


def test_after_a_suspension_every_connection_has_its_time_again() -> None:
    """I7"""
    client, watch = Client(), Watch(LIMITS)
    for now in (1000.0, 1001.0, 1600.0, 1601.0, 1602.0):
        watch.look([client.watched], now)
        assert not client.transport.ended


def test_requests_that_follow_each_other_are_not_one_slow_head() -> None:
    def again(client: Client) -> None:
        client.cycle = Cycle(response_complete=True)

    assert ended_after(Client(cycle=Cycle(response_complete=True)), change=again) is None


def test_of_too_many_connections_the_longest_idle_go_and_requests_under_way_stay() -> None:
    """B2"""
    busy = [Client(cycle=Cycle()) for _ in range(4)]
    old, young = Client(opened=999.9), Client(opened=1000.9)
    watch = Watch(LIMITS)
    watch.look([old.watched], 1000.0)
    watch.look([old.watched, young.watched], 1001.0)
    assert not old.transport.ended
    watch.look([each.watched for each in (young, old, *busy[:2])], 1001.1)
    assert (old.transport.ended, young.transport.ended) == (True, False)
    watch.look([each.watched for each in busy], 1001.2)
    assert not any(each.transport.ended for each in busy)


def test_a_connection_that_is_being_closed_waits_for_nothing_else() -> None:
    assert phase(Client(transport=Transport(closing=True)).watched) is Phase.CLOSING


async def _echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the size of the body, in two pieces without a length; `/cut` breaks off after the first."""
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"%d " % size, "more_body": True})
    if scope["path"] != "/cut":
        await send({"type": "http.response.body", "body": b"bytes"})


@contextmanager
def serving(app: App, parser: Parser, limits: Limits | None = None) -> Iterator[tuple[Server, tuple[str, int]]]:
    """An application on a real port."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        listener = server(app, parser=parser, limits=limits)
        thread = threading.Thread(target=asyncio.run, args=(listener.serve(sockets=[sock]),))
        thread.start()
        yield listener, sock.getsockname()
        listener.stop()
        thread.join(10)


@pytest.fixture(scope="module", params=PARSERS)
def port(request: pytest.FixtureRequest) -> Iterator[tuple[str, int]]:
    """The echo behind each parser."""
    with serving(_echo, request.param) as (_, where):
        yield where


def told(port: tuple[str, int], request: bytes) -> Reply:
    """The answer on a connection of its own, which is closed after it."""
    with Connection(port, timeout=10) as connection:
        with suppress(ConnectionError):
            connection.send(request)
        reply = connection.reply()
        assert connection.closed()
    return reply


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /x HTTP/1.1\nHost: localhost\n\n", 400),
        (b"GET /x HTTP/1.1\r\nHost: localhost\r\nX-A: b\nX-B: c\r\n\r\n", 400),
        (b"GET /x HTTP/1.1\r\nHost: localhost\r\nX-A: b\r\n c\r\n\r\n", 400),
        (HEAD + b"Content-Length: 3, 3\r\n\r\nabc", 400),
        (b"GET /x HTTP/1.1\r\nHost: localhost\r\nX-A: " + b"a" * 1_000_000 + b"\r\n\r\n", 431),
        (b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
    ],
)
def test_what_a_parser_refuses_is_told_why(port: tuple[str, int], request_bytes: bytes, status: int) -> None:
    """A1, A2, A14: the status fits, the body is what client libraries understand."""
    reply = told(port, request_bytes)
    assert reply.status == status
    assert reply.json()["type"] == "error"
    assert reply.value(b"x-proxy-error") == b"invalid_request_error"


def test_an_ambiguous_second_request_does_not_touch_the_first(port: tuple[str, int]) -> None:
    """A19: odd bytes in a target that waits behind another request are no exception in that one."""
    with Connection(port, timeout=10) as connection:
        connection.send(HEAD + b"Content-Length: 1\r\n\r\na" + b"GET /\xe9 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert connection.reply().body == b"1 bytes"
        assert connection.reply().status == 400
        assert connection.closed()


def test_a_client_of_http_1_0_gets_an_answer_that_ends_with_its_connection(port: tuple[str, int]) -> None:
    """A16"""
    reply = told(port, b"POST /x HTTP/1.0\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc")
    assert (reply.status, reply.body) == (200, b"3 bytes")
    assert reply.value(b"transfer-encoding") is None
    assert reply.value(b"connection") == b"close"


def test_an_answer_to_http_1_0_that_is_cut_short_ends_with_a_reset(port: tuple[str, int]) -> None:
    """A16: an ordinary end would look like a whole answer."""
    with Connection(port, timeout=10) as connection:
        connection.send(b"GET /cut HTTP/1.0\r\nHost: localhost\r\n\r\n")
        reset = False
        try:
            while connection.sock.recv(1000):
                pass
        except ConnectionResetError:
            reset = True
        assert reset


@pytest.mark.parametrize("parser", PARSERS)
def test_what_is_sent_ahead_of_its_time_waits_in_the_clients_own_buffers(parser: Parser) -> None:
    """A19: nobody can fill the memory with requests that have to wait."""
    hold = threading.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.to_thread(hold.wait)
        await _echo(scope, receive, send)

    with serving(slow, parser) as (_, where), Connection(where, timeout=10) as connection:
        request = b"GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n"
        connection.sock.settimeout(1)
        with pytest.raises(TimeoutError):
            connection.send(request * 1_000_000)
        hold.set()
        connection.sock.settimeout(10)
        for _ in range(100):
            assert connection.reply().body == b"0 bytes"


@pytest.mark.parametrize("parser", PARSERS)
def test_a_slow_head_is_closed_and_a_used_connection_stays(parser: Parser) -> None:
    """B1"""
    limits = Limits(head=1.0)
    with serving(_echo, parser, limits) as (_, where), Connection(where) as silent, Connection(where) as dripping:
        with Connection(where) as used, suppress(ConnectionError):
            for _ in range(30):
                used.send(HEAD + b"Content-Length: 0\r\n\r\n")
                assert used.reply().body == b"0 bytes"
                dripping.send(b"G")
                threading.Event().wait(0.1)
        assert silent.closed()
        assert dripping.closed()


WHOLE = (
    HEAD + b"Content-Length: 0\r\n\r\n",
    HEAD + b"Content-Length: 20\r\n\r\n" + b"a" * 20,
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
)


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize("whole", [*WHOLE, WHOLE[0] + WHOLE[1]], ids=["no body", "body", "chunks", "two"])
def test_half_a_head_behind_a_request_has_its_time_from_the_answer_on(parser: Parser, whole: bytes) -> None:
    """B1"""
    with (
        serving(_echo, parser, Limits(head=1.0)) as (_, where),
        Connection(where) as ahead,
        Connection(where) as later,
        Connection(where) as used,
    ):
        used.send(whole[:-1])
        later.send(whole)
        ahead.send(whole + HEAD)
        later.send(b"P")
        used.send(whole[-1:])
        for connection in (ahead, later, used):
            for _ in range(whole.count(b"POST")):
                assert connection.reply().status == 200
        assert ahead.closed()
        assert later.closed()
        threading.Event().wait(1.0)
        used.send(whole)
        assert used.reply().status == 200


@pytest.mark.parametrize("parser", PARSERS)
def test_the_longest_idle_connections_make_room(parser: Parser) -> None:
    """B2"""
    with serving(_echo, parser, Limits(connections=5)) as (listener, where):
        clients = [Connection(where) for _ in range(20)]
        wait(lambda: 0 < len(listener.server_state.connections) <= 5, "the idle ones to be closed")
        with Connection(where) as late:
            late.send(HEAD + b"Content-Length: 0\r\n\r\n")
            assert late.reply().body == b"0 bytes"
        for client in clients:
            client.close()


def test_as_many_connections_are_allowed_as_files_may_be_opened_for() -> None:
    """B10: the soft limit is raised, the hard one obeyed."""
    program = "from proxy.serving.process import connections; print(connections(2000), connections(10))"

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 256))

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, preexec_fn=limit)
    assert done.stdout.split() == ["96", "10"]
    assert connections(1) == 1


def test_a_process_is_told_to_stop_when_its_supervisor_dies() -> None:
    ours, theirs = os.pipe()

    async def main() -> None:
        stopped = asyncio.Event()
        on_stop(asyncio.get_running_loop(), stopped.set, ours)
        os.close(theirs)
        await asyncio.wait_for(stopped.wait(), 10)

    before = signal.getsignal(signal.SIGINT)
    run(main())
    signal.signal(signal.SIGINT, before)
