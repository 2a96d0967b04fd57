"""Group B on both parsers: clients that are slow, greedy, many, or gone."""

from __future__ import annotations

import contextlib
import resource
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import anthropic
import psutil
import pytest

from tests.faults.parsers import CHUNKED, MAX_BODY, PARSERS, POST, Fresh, fresh, running, still_serves
from tests.kit import laws
from tests.kit.conditions import limits
from tests.kit.process import Proxy, wait
from tests.kit.raw import MESSAGES, Connection, address, ask, get
from tests.kit.upstream import DELTA, END, START, Seen, Talk, Upstream
from tests.relay.conftest import Relayed

GENEROUS_S = 5.0
"""The rule is one second; tests of behaviour leave room for a busy machine."""
MANY_FILES = 12_000
KEPT_OF_AN_ANSWER = 65_536
"""So little that what is buffered of a stream shows beside it."""


@pytest.fixture(scope="module", params=PARSERS)
def installation(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relayed]:
    little = f"[capture]\nmax_response = {KEPT_OF_AN_ANSWER}\n"
    with running(tmp_path_factory.mktemp("proxy"), request.param, rest=little) as relayed:
        yield relayed


@pytest.fixture
def relayed(installation: Relayed) -> Iterator[Fresh]:
    yield from fresh(installation)
    laws.check(installation.proxy)


@pytest.fixture
def many_files() -> Iterator[None]:
    """This process may open as many files as the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, MANY_FILES)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def closed_soon(seen: Seen) -> None:
    """Asserts that an upstream connection is closed soon after now."""
    start = time.monotonic()
    wait(lambda: seen.closed_at is not None, "the upstream connection to be closed")
    assert (seen.closed_at or 0) - start < GENEROUS_S


def held(talk: Talk) -> None:
    """A stream that begins and goes on until the proxy closes it."""
    talk.stream([START, DELTA], end=False)
    talk.wait_closed()


@pytest.mark.parametrize("start", [b"", b"POST /v1/messages HTTP/1.1\r\n", POST + b"X-A: "])
def test_b1_a_dripped_head_is_closed_in_time(relayed: Fresh, start: bytes) -> None:
    with relayed.connect() as connection:
        begun = time.monotonic()
        connection.sock.settimeout(0.1)
        ended = False
        connection.send(start)
        while not ended and time.monotonic() - begun < GENEROUS_S:
            with contextlib.suppress(TimeoutError):
                ended = connection.sock.recv(1) == b""
            with contextlib.suppress(ConnectionError):
                connection.send(b"a")
    assert ended
    assert relayed.upstream.seen == []


def test_b1_a_head_dripped_behind_a_good_request_is_closed_too(relayed: Fresh) -> None:
    with relayed.connect() as connection:
        still_serves(relayed, connection)
        connection.send(b"POST /")
        assert connection.closed()


def test_b1_half_a_head_that_came_with_a_good_request_is_closed_too(relayed: Fresh) -> None:
    with relayed.connect() as connection:
        connection.send(MESSAGES + b"POST /")
        assert connection.reply().status == 200
        assert connection.closed()


def test_b1_slowhttptest_does_not_keep_its_connections_nor_others_out(relayed: Fresh, tmp_path: Path) -> None:
    url = relayed.proxy.base_url + "/v1/models"
    command = ["slowhttptest", "-H", "-c", "100", "-r", "100", "-i", "1", "-l", "6", "-p", "3", "-u", url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as attack:
        while attack.poll() is None:
            assert relayed.ask(get("/v1/models")).status == 200
            time.sleep(0.2)
        assert attack.stdout is not None
        said = attack.stdout.read()
    assert "No open connections left" in said, said[-500:]


@pytest.mark.usefixtures("many_files")
@pytest.mark.parametrize("parser", PARSERS)
def test_b2_of_5000_idle_connections_only_the_youngest_stay_and_the_service_goes_on(
    tmp_path: Path, parser: str
) -> None:
    most = 400
    waiting = f"client_header_timeout = 60\nmax_connections = {most}\n"
    with Upstream().running() as upstream, ExitStack() as opened:
        proxy = Proxy(tmp_path, upstream.url, relay=f'parser = "{parser}"\n{waiting}')
        opened.enter_context(proxy.running())
        where = address(proxy.base_url)
        relay = psutil.Process(proxy.pid("relay"))
        idle = [opened.enter_context(Connection(where)) for _ in range(5_000)]
        wait(lambda: len(relay.net_connections("tcp")) <= most + 20, "all but the youngest to be closed")
        assert ask(proxy.base_url, MESSAGES).status == 200
        assert idle[0].closed()
        idle[-1].send(MESSAGES)
        assert idle[-1].reply().status == 200
        laws.check(proxy)


def test_b3_an_upload_that_stops_arriving_is_refused(relayed: Fresh) -> None:
    for start in (POST + b"Content-Length: 10\r\n\r\nabc", CHUNKED + b"3\r\nabc\r\n"):
        with relayed.connect() as connection:
            connection.send(start)
            reply = connection.reply()
            assert (reply.status, reply.json()["type"]) == (408, "error")
            assert connection.closed()
        assert relayed.proxy.exchange(reply.request_id)["error_type"] == "upload_aborted"
        assert not relayed.last.complete


def test_b3_an_upload_that_is_slow_but_goes_on_is_relayed(relayed: Fresh) -> None:
    """Clients hold uploads open on purpose; longer than the time-out in all, never silent for so long."""
    with relayed.connect() as connection:
        connection.send(POST + b"Content-Length: 6\r\n\r\n")
        for byte in (b"a", b"b", b"c", b"d", b"e", b"f"):
            time.sleep(0.4)
            connection.send(byte)
        assert connection.reply().status == 200
    assert relayed.last.body == b"abcdef"


@pytest.mark.parametrize("port", ["relay", "inspector"])
def test_b3_slowhttptest_with_bodies_keeps_nobody_out(relayed: Fresh, tmp_path: Path, port: str) -> None:
    url = {"relay": relayed.proxy.base_url, "inspector": relayed.proxy.inspector_url}[port]
    command = ["slowhttptest", "-B", "-c", "50", "-r", "50", "-i", "1", "-l", "3", "-p", "3", "-s", "4096", "-u"]
    with subprocess.Popen([*command, url + "/sign-in"], stdout=subprocess.DEVNULL, cwd=tmp_path) as attack:
        while attack.poll() is None:
            assert relayed.ask(get("/v1/models")).status == 200
            assert ask(relayed.proxy.inspector_url, get("/healthz")).status == 200
            time.sleep(0.2)


def test_b4_a_client_that_stops_reading_holds_the_upstream_back_and_is_dropped(relayed: Fresh) -> None:
    sent: list[int] = []
    events = DELTA * (65_536 // len(DELTA))

    def flood(talk: Talk) -> None:
        talk.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 1000000000\r\n\r\n")
        with contextlib.suppress(OSError):
            while True:
                talk.send(events)
                sent.append(len(events))
        talk.seen.closed_at = time.monotonic()
        talk.close()

    relayed.upstream.script = flood
    relay = psutil.Process(relayed.proxy.pid("relay"))
    before = relay.memory_info().rss
    with ExitStack() as opened:
        for _ in range(FLOODS):
            opened.enter_context(relayed.connect()).send(MESSAGES)
        wait(lambda: len(relayed.upstream.seen) == FLOODS and settled(sent), "the floods to be held back")
        grown = relay.memory_info().rss - before
        wait(lambda: all(seen.closed_at for seen in relayed.upstream.seen), "the floods to end")
    assert sum(sent) < FLOODS * 30_000_000, "what the kernel buffers on both sides, and no more"
    assert grown < FLOODS * (BUFFERED_OF_A_STREAM + KEPT_OF_AN_ANSWER) + SLACK
    assert {row["error_type"] for row in relayed.ended("client_disconnected", FLOODS)} == {"client_stalled"}


FLOODS = 20
BUFFERED_OF_A_STREAM = 3 << 19
"""A read of up to 256 KiB that waits, one on its way to the client, plain and framed, and their order in memory."""
SLACK = 4 << 20
"""What a process takes meanwhile for other things."""


def settled(sent: list[int]) -> bool:
    """Whether nothing more was sent for a while."""
    before = len(sent)
    time.sleep(0.3)
    return len(sent) == before


def test_b4_the_answer_of_a_client_that_takes_nothing_at_the_end_is_given_up_too(relayed: Fresh) -> None:
    """All is handed over, nothing is left to relay, and yet nobody takes it: the connection must not stay for ever."""
    relayed.upstream.script = lambda talk: talk.answer(b"a" * 60_000)
    relay = psutil.Process(relayed.proxy.pid("relay"))
    with relayed.connect() as connection:
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        connection.send(MESSAGES * 400)
        own = connection.sock.getsockname()
        wait(lambda: relayed.upstream.seen, "a request to be relayed")
        wait(lambda: own not in [each.raddr for each in relay.net_connections("tcp")], "its end", 30)


def test_b5_a_client_that_leaves_before_the_headers_cancels_the_upstream(relayed: Fresh) -> None:
    relayed.upstream.script = lambda talk: talk.wait_closed()
    with relayed.connect() as connection:
        connection.send(MESSAGES)
        wait(lambda: relayed.upstream.seen, "the request to arrive")
    closed_soon(relayed.last)
    [row] = relayed.ended("client_disconnected")
    assert (row["status"], row["response_bytes"]) == (None, None)
    assert row["model"] == "claude-sonnet-4-6"


def test_b5_a_client_whose_blocked_upload_is_reset_cancels_the_upstream(relayed: Fresh) -> None:
    """Nobody reads from it meanwhile: the system is asked for the state of its connection."""
    release = threading.Event()

    def takes_nothing(talk: Talk) -> None:
        release.wait(20)
        talk.wait_closed()

    relayed.upstream.early = takes_nothing
    with relayed.connect() as connection:
        connection.send(POST + b"Content-Length: %d\r\n\r\n" % MAX_BODY)
        connection.sock.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.send(*[b"a" * (1 << 20)] * (MAX_BODY >> 20))
        connection.reset()
    [row] = relayed.ended("client_disconnected")
    release.set()
    assert (row["error_type"], row["status"], row["received_ms"]) == ("upload_aborted", None, None)


def test_b6_a_client_that_leaves_mid_stream_cancels_the_upstream_and_keeps_usage_so_far(relayed: Fresh) -> None:
    relayed.upstream.script = held
    with relayed.connect() as connection:
        connection.send(MESSAGES)
        connection.until(DELTA)
    closed_soon(relayed.last)
    [row] = relayed.ended("client_disconnected")
    assert (row["status"], row["input_tokens"], row["usage_source"]) == (200, 25, "partial")
    assert row["response_bytes"] == len(START + DELTA)


def test_b6_a_client_that_resets_its_connection_has_left_too(relayed: Fresh) -> None:
    relayed.upstream.script = held
    with relayed.connect() as connection:
        connection.send(MESSAGES)
        connection.until(DELTA)
        connection.reset()
    closed_soon(relayed.last)
    relayed.ended("client_disconnected")


def test_b7_a_client_that_leaves_with_the_last_byte_got_a_whole_answer(relayed: Fresh) -> None:
    relayed.upstream.script = lambda talk: talk.stream([START, DELTA, END])
    for number in range(300):
        with relayed.connect() as connection:
            connection.send(MESSAGES)
            connection.until(b"0\r\n\r\n")
            if number % 2:
                connection.reset()
    relayed.ended("ok", 300)


def test_b9_a_client_that_closes_its_sending_side_has_left(relayed: Fresh) -> None:
    """So it says in docs/wire.md."""
    relayed.upstream.script = held
    with relayed.connect() as connection:
        connection.send(MESSAGES)
        connection.until(DELTA)
        connection.sock.shutdown(socket.SHUT_WR)
        closed_soon(relayed.last)
        assert connection.closed()
    relayed.ended("client_disconnected")


def at_once(count: int, one: Callable[[], int]) -> list[int]:
    """What so many threads return that do the same at the same time."""
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(one())) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


@pytest.mark.usefixtures("many_files")
@pytest.mark.parametrize("parser", PARSERS)
def test_b10_a_relay_without_file_descriptors_refuses_rests_and_recovers(tmp_path: Path, parser: str) -> None:
    release = threading.Event()

    def wait_and_answer(talk: Talk) -> None:
        release.wait(10)
        talk.answer(b"{}")

    with Upstream(script=wait_and_answer).running() as upstream:
        proxy = Proxy(tmp_path, upstream.url, relay=f'parser = "{parser}"', prefix=limits(files=256))
        with proxy.running():
            relay = psutil.Process(proxy.pid("relay"))
            with ExitStack() as opened:
                for _ in range(600):
                    opened.enter_context(Connection(address(proxy.base_url)))
                busy = sum(relay.cpu_times()[:2])
                time.sleep(1)
                assert sum(relay.cpu_times()[:2]) - busy < 0.5, "a busy loop"
            threading.Timer(2, release.set).start()
            statuses = at_once(200, lambda: _status(proxy))
            assert set(statuses) <= {0, 200, 502, 503}, statuses
            assert 200 in statuses
            wait(lambda: _status(proxy) == 200, "the relay to recover")
            assert relay.num_fds() < 256
            laws.check(proxy)


def _status(proxy: Proxy) -> int:
    with contextlib.suppress(OSError):
        return ask(proxy.base_url, MESSAGES).status
    return 0


@pytest.mark.parametrize("parser", PARSERS)
def test_b11_requests_beyond_the_limit_are_told_to_come_back(tmp_path: Path, parser: str) -> None:
    with Upstream(script=held).running() as upstream:
        proxy = Proxy(tmp_path, upstream.url, relay=f'parser = "{parser}"\nmax_requests = 5')
        with proxy.running():
            with ExitStack() as opened:
                streams = [opened.enter_context(Connection(address(proxy.base_url))) for _ in range(5)]
                for stream in streams:
                    stream.send(MESSAGES)
                    stream.until(DELTA)
                for path, shape in (("/v1/messages", "api_error"), ("/v1/chat/completions", "server_error")):
                    reply = ask(proxy.base_url, MESSAGES.replace(b"/v1/messages", path.encode(), 1))
                    assert (reply.status, reply.value(b"retry-after")) == (503, b"1")
                    assert reply.json()["error"]["type"] == shape  # type: ignore[index]
                    row = proxy.exchange(reply.request_id)
                    assert (row["outcome"], row["error_type"]) == ("rejected", "limit")
                assert len(upstream.seen) == 5
            upstream.script = lambda talk: talk.answer(b"{}")
            wait(lambda: _status(proxy) == 200, "there to be room again")
            laws.check(proxy)


def test_b12_retries_of_a_client_library_are_attempts_of_its_own_and_can_be_linked(relayed: Fresh) -> None:
    """The proxy adds none to them."""
    relayed.upstream.script = lambda talk: talk.answer(
        b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}',
        status="529 Overloaded",
        headers="retry-after-ms: 10\r\n",
    )
    with (
        anthropic.Anthropic(base_url=relayed.proxy.base_url, api_key=laws.API_KEY, max_retries=2) as client,
        pytest.raises(anthropic.APIStatusError),
    ):
        client.messages.create(model="claude-sonnet-4-6", max_tokens=5, messages=[{"role": "user", "content": "a"}])
    rows = relayed.ended("upstream_error", 3)
    assert len(relayed.upstream.seen) == 3
    assert [row["retry_count"] for row in rows] == [0, 1, 2]
    assert {row["status"] for row in rows} == {529}
