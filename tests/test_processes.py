"""Whole processes that are stopped, drained and killed: rows I1–I3, F1."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import httpx
import pytest
from proxy.ledger.verify import verify

from proxy.ledger.folder import Folder
from tests.kit import laws
from tests.kit.process import Proxy, wait
from tests.kit.raw import Connection, address, ask, get, post
from tests.kit.upstream import Talk, Upstream
from tests.relay.test_upstream import DELTA, END, MESSAGES, START


def held_open(release: threading.Event, seconds: float = 30.0) -> object:
    """A script that sends the beginning of a stream and its end when released."""

    def script(talk: Talk) -> None:
        talk.stream([START, DELTA], end=False)
        release.wait(seconds)
        talk.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(END), END))

    return script


def test_sigterm_lets_open_streams_finish_and_refuses_new_connections(tmp_path: Path) -> None:
    """I1"""
    release = threading.Event()
    with Upstream(script=held_open(release)).running() as upstream:  # type: ignore[arg-type]
        proxy = Proxy(tmp_path, upstream.url, relay="drain_seconds = 20")
        proxy.start()
        url = proxy.base_url
        streams = [Connection(address(url)) for _ in range(20)]
        for stream in streams:
            stream.send(MESSAGES)
            stream.until(DELTA)
        os.kill(proxy.pid("supervisor"), signal.SIGTERM)
        wait(lambda: refuses(url), "new connections to be refused")
        release.set()
        assert all(stream.reply().body == START + DELTA + END for stream in streams)
        assert proxy.stop() == 0
        assert {row["outcome"] for row in proxy.finished(20)} == {"ok"}
        laws.check(proxy)


def refuses(url: str) -> bool:
    try:
        return ask(url, get("/readyz")).status == 503
    except OSError:
        return True


def test_streams_that_outlast_the_drain_are_broken_and_recorded(tmp_path: Path) -> None:
    """I1: 200 open streams"""
    with Upstream(script=held_open(threading.Event())).running() as upstream:  # type: ignore[arg-type]
        proxy = Proxy(tmp_path, upstream.url, relay="drain_seconds = 1")
        proxy.start()
        streams = [Connection(address(proxy.base_url)) for _ in range(200)]
        for stream in streams:
            stream.send(MESSAGES)
        for stream in streams:
            stream.until(DELTA)
        assert proxy.stop() == 0
        assert not any(stream.reply().ended for stream in streams)
        rows = proxy.finished(200)
        assert {row["outcome"] for row in rows} == {"interrupted"}
        assert {row["input_tokens"] for row in rows} == {25}
        laws.check(proxy)


def test_a_second_signal_ends_at_once_and_still_records(tmp_path: Path) -> None:
    """I2"""
    with Upstream(script=held_open(threading.Event())).running() as upstream:  # type: ignore[arg-type]
        proxy = Proxy(tmp_path, upstream.url, relay="drain_seconds = 60")
        proxy.start()
        url = proxy.base_url
        with Connection(address(url)) as stream:
            stream.send(MESSAGES)
            stream.until(DELTA)
            os.kill(proxy.pid("supervisor"), signal.SIGTERM)
            wait(lambda: refuses(url), "the drain to begin")
            start = time.monotonic()
            proxy.stop(timeout=20)
            assert time.monotonic() - start < 20
        [row] = proxy.finished(1)
        assert row["outcome"] == "interrupted"
        laws.check(proxy)


@pytest.mark.timeout(180)
def test_a_relay_killed_under_load_twenty_times_loses_nothing_older_than_the_commit_window(tmp_path: Path) -> None:
    """F1, I3, L1, L2: every request older than 100 ms has its row; open ones become interrupted"""
    with Upstream(script=paced).running() as upstream:
        proxy = Proxy(tmp_path, upstream.url)
        with proxy.running():
            load = Load(proxy.base_url)
            with load.running():
                for _ in range(20):
                    settled = len(load.answered)
                    wait(lambda n=settled: len(load.answered) > n + 5, "traffic to flow")  # type: ignore[misc]
                    before = set(load.answered)
                    time.sleep(0.12)
                    pid = proxy.pid("relay")
                    os.kill(pid, signal.SIGKILL)
                    wait(lambda p=pid: proxy.pid("relay") != p, "the relay to be restarted")  # type: ignore[misc]
                    missing = before - {row["request_id"] for row in proxy.rows()}
                    assert not missing
            laws.check(proxy)
            outcomes = {row["outcome"] for row in proxy.rows()}
            assert outcomes <= {"ok", "interrupted", "client_disconnected"}
            bodies = proxy.rows(
                "SELECT e.request_id FROM exchanges e WHERE outcome = 'interrupted' AND NOT EXISTS"
                " (SELECT 1 FROM exchange_bodies b WHERE b.request_id = e.request_id AND hop = 'client_request')"
            )
            interrupted = [row for row in proxy.rows() if row["outcome"] == "interrupted"]
            assert len(bodies) <= len(interrupted)
        assert verify(Folder(proxy.data)) == []


def paced(talk: Talk) -> None:
    talk.stream([START, DELTA, DELTA, END], gap=0.01)


class Load:
    """A few clients that ask one request after another and note the ids of complete answers."""

    def __init__(self, url: str, clients: int = 8) -> None:
        self._url = url
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._client, daemon=True) for _ in range(clients)]
        self.answered: list[str] = []

    def running(self) -> Load:
        return self

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(20)

    def _client(self) -> None:
        while not self._stop.is_set():
            try:
                reply = ask(self._url, post("/v1/messages", b'{"model": "claude-sonnet-4-6", "stream": true}'))
            except OSError:
                time.sleep(0.02)
                continue
            if reply.ended and reply.request_id:
                self.answered.append(reply.request_id)


def test_the_relay_goes_on_while_the_observer_is_dead_and_the_observer_catches_up(tmp_path: Path) -> None:
    """design section 2, G11"""
    with Upstream(script=lambda talk: talk.stream([START, DELTA, END])).running() as upstream:
        proxy = Proxy(tmp_path, upstream.url)
        with proxy.running():
            os.kill(proxy.pid("observer"), signal.SIGSTOP)
            replies = [ask(proxy.base_url, MESSAGES) for _ in range(10)]
            assert {reply.status for reply in replies} == {200}
            os.kill(proxy.pid("observer"), signal.SIGKILL)
            sql = "SELECT count(*) AS n FROM costs"
            wait(lambda: proxy.rows(sql)[0]["n"] == 10, "the new observer to price all ten")
            wait(lambda: alive(proxy), "the inspector to answer")
            laws.check(proxy)


def alive(proxy: Proxy) -> bool:
    try:
        return httpx.get(proxy.inspector_url + "/readyz", trust_env=False).status_code == 200
    except (httpx.HTTPError, OSError, KeyError):
        return False
