"""A relay process that is drained, told twice to end, and killed: rows I1–I3, F1."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.kit import laws
from tests.kit.process import Proxy, wait
from tests.kit.raw import MESSAGES, Connection, Reply, address, ask, get
from tests.kit.upstream import DELTA, END, START, Upstream
from tests.processes.load import ANSWER, Load, Streams, open_streams

KILLS = 20
COMMIT_WINDOW_S = 0.12
"""What was answered longer ago must be in the ledger, whatever happens."""


def test_requests_that_come_as_an_idle_relay_begins_to_drain_are_answered_whole_or_not_at_all(tmp_path: Path) -> None:
    """I1: nothing is cut short before the drain is over"""
    with Upstream(script=lambda talk: talk.stream([START, DELTA, DELTA, END], gap=0.2)).running() as upstream:
        proxy = Proxy(tmp_path, upstream.url)
        with alone(proxy, "relay") as relay, contextlib.ExitStack() as opened:
            clients = []
            first = ask(proxy.base_url, MESSAGES)
            relay.terminate()
            with contextlib.suppress(OSError):
                while True:
                    clients.append(opened.enter_context(Connection(address(proxy.base_url))))
                    clients[-1].send(MESSAGES)
                    time.sleep(0.01)
            replies = [client.reply() for client in clients]
        answered = [reply for reply in (first, *replies) if reply.status]
        assert [(reply.body, reply.ended) for reply in answered] == [(ANSWER, True)] * len(answered)
        assert [row["outcome"] for row in proxy.rows()] == ["ok"] * len(answered)


def test_a_client_that_takes_nothing_does_not_hold_up_the_end(tmp_path: Path) -> None:
    """I1, B-rows: what waits in its connection is let go of when the drain is over"""
    body = bytes(8 << 20)
    with Upstream(script=lambda talk: talk.answer(body)).running() as upstream:
        proxy = Proxy(tmp_path, upstream.url, relay="drain_seconds = 0.5")
        proxy.start()
        with Connection(address(proxy.base_url)) as client:
            client.send(get("/"))
            wait(lambda: proxy.rows(), "the request to be accepted")
            assert proxy.stop() == 0, proxy.said()
        assert [row["outcome"] for row in proxy.finished(1)] == ["interrupted"]
        laws.check(proxy)


@pytest.mark.timeout(180)
def test_a_relay_killed_twenty_times_under_load_loses_nothing_older_than_the_commit_window(tmp_path: Path) -> None:
    """F1, I3, L1, L2: each on the same port again; what was open becomes `interrupted` and has its request body"""
    streams = Streams()
    with Upstream(script=streams).running() as upstream:
        url = f"http://127.0.0.1:{free_port()}"
        proxy = Proxy(tmp_path, upstream.url, env={"ANTHROPIC_PROXY_RELAY_LISTEN": url.removeprefix("http://")})
        held: set[str] = set()
        with alone(proxy, "observe"), Load(url) as load:
            for _ in range(KILLS):
                with alone(proxy, "relay") as relay:
                    held.add(killed_under_load(relay, proxy, url, load))
            with alone(proxy, "relay"):
                wait(lambda: closed(proxy, held), "the streams that were open to be closed")
        laws.check(proxy)
        rows = proxy.rows()
        assert load.wrong == []
        assert {row["outcome"] for row in rows if row["request_id"] in held} == {"interrupted"}
        assert {row["outcome"] for row in rows} == {"ok", "interrupted"}
        assert held <= {row["request_id"] for row in proxy.rows(WITH_BODY)}


WITH_BODY = "SELECT request_id FROM exchange_bodies WHERE hop = 'client_request' AND body IS NOT NULL"


def killed_under_load(relay: subprocess.Popen[bytes], proxy: Proxy, url: str, load: Load) -> str:
    """Kills a relay while requests pass; the id of a stream that was open then."""
    settled = len(load.answered)
    wait(lambda: len(load.answered) > settled + 5, "traffic to flow")
    with open_streams(url, 1) as [stream]:
        answered = set(load.answered[settled:])
        head = stream.until(b"\r\n\r\n").split(b"\r\n\r\n")[0]
        time.sleep(COMMIT_WINDOW_S)
        # A disk that stalls makes the window longer; what is answered from now on is committed later still.
        since = len(load.answered)
        wait(lambda: not stored(proxy).isdisjoint(load.answered[since:]), "a commit after the window")
        relay.kill()
        relay.wait()
    assert not answered - stored(proxy)
    return Reply(head, b"", False).request_id or ""


def stored(proxy: Proxy) -> set[str]:
    return {row["request_id"] for row in proxy.rows("SELECT request_id FROM exchanges WHERE outcome = 'ok'")}


def closed(proxy: Proxy, ids: set[str]) -> bool:
    return ids <= {row["request_id"] for row in proxy.rows("SELECT request_id FROM journal")}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def refuses(url: str) -> bool:
    try:
        return ask(url, get("/readyz")).status != 200
    except OSError:
        return True


@contextlib.contextmanager
def alone(proxy: Proxy, command: str) -> Iterator[subprocess.Popen[bytes]]:
    """`relay` or `observe` without a supervisor while the block runs, unless it is killed there."""
    role = [sys.executable, "-m", "proxy", command, "--config", str(proxy.config), "--data", str(proxy.data)]
    with proxy.output.open("ab") as output:
        process = subprocess.Popen(role, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=proxy._env)
    room = {"relay": "relay", "observe": "inspector"}[command]
    try:
        wait(lambda: answers(proxy, process, room), f"{command} to answer")
        yield process
    finally:
        process.terminate()
        code = process.wait(30)
    assert code in (0, -signal.SIGKILL), proxy.said()


def answers(proxy: Proxy, process: subprocess.Popen[bytes], room: str) -> bool:
    assert process.poll() is None, proxy.said()
    with contextlib.suppress(OSError, ValueError, KeyError, httpx.HTTPError):
        return httpx.get(proxy.run[room] + "/healthz", trust_env=False).status_code == 200
    return False
