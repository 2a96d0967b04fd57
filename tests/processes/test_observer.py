"""An observer process that hangs and dies: the relay goes on, and nothing is left out once it is back."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil

from proxy.processes.observer import NICE
from tests.kit import laws
from tests.kit.process import Proxy, wait
from tests.kit.raw import MESSAGES, Connection, address, ask, get
from tests.kit.upstream import Upstream
from tests.processes.load import ANSWER, Streams

COUNTED = 'proxy_request_count_total{endpoint="default",model="claude-sonnet-4-6"'


def test_the_relay_goes_on_while_the_observer_hangs_and_is_dead_and_the_next_one_catches_up(tmp_path: Path) -> None:
    """design section 2, G11"""
    with Upstream(script=Streams()).running() as upstream:
        proxy = Proxy(tmp_path, upstream.url)
        with proxy.running():
            observer = proxy.pid("observer")
            os.kill(observer, signal.SIGSTOP)
            replies = [ask(proxy.base_url, MESSAGES) for _ in range(10)]
            os.kill(observer, signal.SIGKILL)
            replies += [ask(proxy.base_url, MESSAGES) for _ in range(10)]
            assert {(reply.status, reply.body) for reply in replies} == {(200, ANSWER)}
            priced = "SELECT count(*) AS n FROM costs"
            wait(lambda: proxy.rows(priced)[0]["n"] == 20, "the next observer to price all of them")
            wait(proxy._ready, "the inspector to answer")
            [line] = [line for line in proxy.metrics().splitlines() if line.startswith(COUNTED)]
            assert line.endswith(" 20.0")
            laws.check(proxy)


def test_the_observer_lets_the_relays_go_first(tmp_path: Path) -> None:
    proxy = Proxy(tmp_path, "http://127.0.0.1:9")
    with proxy.running():
        relay, observer = (psutil.Process(proxy.pid(name)).nice() for name in ("relay", "observer"))
        assert observer == min(19, relay + NICE)


def test_a_reader_of_the_inspector_that_takes_nothing_does_not_hold_up_the_end(tmp_path: Path) -> None:
    body = os.urandom(8 << 20)
    with Upstream(script=lambda talk: talk.answer(body)).running() as upstream:
        proxy = Proxy(tmp_path, upstream.url)
        proxy.start()
        request_id = ask(proxy.base_url, get("/v1/files/1/content")).request_id
        proxy.exchange(request_id)
        with Connection(address(proxy.inspector_url)) as reader:
            path = f"/api/v1/exchanges/{request_id}/bodies/upstream_response"
            reader.send(get(path, f"Authorization: Bearer {proxy.token}\r\n"))
            reader.until(b"200 OK")
            assert proxy.stop() == 0, proxy.said()
        laws.check(proxy)
