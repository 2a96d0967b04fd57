"""Group B, a client that leaves while its endpoint says `on_disconnect = "drain"`: the usage is still learned."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.kit import laws
from tests.kit.process import Proxy, wait
from tests.kit.raw import MESSAGES, Connection, address
from tests.kit.upstream import DELTA, END, START, Talk, Upstream
from tests.relay.conftest import Relayed, afresh, relaying

DRAIN = '[endpoints.default]\npath = ""\non_disconnect = "drain"\n'
OPEN = "SELECT request_id FROM exchanges WHERE outcome IS NULL"


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relayed]:
    """A running proxy that drains."""
    with relaying(tmp_path_factory.mktemp("proxy"), relay="", rest=DRAIN) as running:
        yield running


@pytest.fixture
def relayed(installation: Relayed) -> Iterator[Relayed]:
    """The module's proxy with a fresh script; ends with the laws."""
    with afresh(installation) as fresh:
        yield fresh


class Waiting:
    """Upstream script: a stream that goes on once the client has left."""

    def __init__(self, before: bytes, after: bytes) -> None:
        self.asked, self.left = threading.Event(), threading.Event()
        self._before, self._after = before, after

    def __call__(self, talk: Talk) -> None:
        """Answer one request."""
        self.asked.set()
        if not self._before:
            self.left.wait(20)
        talk.stream([self._before] if self._before else [], end=False)
        self.left.wait(20)
        talk.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(self._after), self._after))


def leave(relayed: Relayed, script: Waiting, seen: bytes) -> str:
    """A client asks, leaves after `seen`, and the upstream goes on; the request's id."""
    relayed.upstream.script = script
    before = len(relayed.proxy.rows())
    with Connection(address(relayed.proxy.base_url)) as connection:
        connection.send(MESSAGES)
        assert script.asked.wait(20)
        if seen:
            connection.until(seen)
        wait(lambda: len(relayed.proxy.rows()) > before, "the open row")
    time.sleep(0.1)
    script.left.set()
    return str(relayed.proxy.rows()[-1]["request_id"])


@pytest.mark.parametrize(("before", "after"), [(START + DELTA, DELTA + END), (b"", START + DELTA + END)])
def test_b8_the_final_usage_of_an_answer_whose_client_left_is_known(
    relayed: Relayed, before: bytes, after: bytes
) -> None:
    row = relayed.proxy.exchange(leave(relayed, Waiting(before, after), before[-4:]))
    assert (row["outcome"], row["error_type"], row["usage_source"]) == ("client_disconnected", None, "final")
    assert row["output_tokens"] is not None
    assert (row["response_bytes"], row["delivered_bytes"]) == (len(before + after), len(before))
    assert row["status"] == (200 if before else None)
    assert row["duration_ms"] <= row["last_byte_ms"]


def test_b8_a_drain_ends_after_a_megabyte(relayed: Relayed) -> None:
    flood = b"event: ping\ndata: {}\n\n" * 200_000
    row = relayed.proxy.exchange(leave(relayed, Waiting(START, flood), START[-4:]))
    assert (row["outcome"], row["usage_source"]) == ("client_disconnected", "partial")
    assert 1_000_000 < row["response_bytes"] < len(flood) / 2


def test_b8_an_upstream_that_breaks_while_it_is_drained_changes_no_outcome(relayed: Relayed) -> None:
    left = threading.Event()

    def script(talk: Talk) -> None:
        talk.stream([START, DELTA], end=False)
        left.wait(20)
        talk.reset()

    relayed.upstream.script = script
    with Connection(address(relayed.proxy.base_url)) as connection:
        connection.send(MESSAGES)
        connection.until(DELTA[-4:])
        wait(lambda: relayed.proxy.rows(OPEN), "the open row")
    (row,) = relayed.proxy.rows(OPEN)
    time.sleep(0.1)
    left.set()
    row = relayed.proxy.exchange(row["request_id"])
    assert (row["outcome"], row["usage_source"]) == ("client_disconnected", "partial")


def test_b8_a_drain_does_not_outlast_a_shutdown(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The process ends with `drain_seconds`; what was known by then is recorded."""
    upstream, release = Upstream(), threading.Event()

    def script(talk: Talk) -> None:
        talk.stream([START, DELTA], end=False)
        release.wait(30)

    upstream.script = script
    with upstream.running():
        proxy = Proxy(tmp_path_factory.mktemp("proxy"), upstream.url, relay="drain_seconds = 1", rest=DRAIN)
        with proxy.running():
            with Connection(address(proxy.base_url)) as connection:
                connection.send(MESSAGES)
                connection.until(DELTA[-4:])
                connection.sock.shutdown(socket.SHUT_RDWR)
            time.sleep(0.3)
            assert len(proxy.rows(OPEN)) == 1, "it is being drained"
            begun = time.monotonic()
            assert proxy.stop(signal.SIGTERM) == 0
            assert time.monotonic() - begun < 10
        (row,) = proxy.rows()
        assert (row["outcome"], row["usage_source"]) == ("client_disconnected", "partial")
        laws.check(proxy)
    release.set()
