"""A request for every way in which one can end, and the upstream that plays its part."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from proxy.ledger.changes import Change
from proxy.ledger.counters import Counters
from proxy.ledger.folder import Folder
from proxy.ledger.processes import hold
from proxy.ledger.recorder import Recorder
from proxy.relay.ids import RequestIds
from tests.kit.laws import API_KEY
from tests.kit.process import Proxy, wait
from tests.kit.raw import Connection, Reply, address, ask, get, post
from tests.kit.upstream import DELTA, END, START, Script, Talk, Upstream

MODEL = "claude-sonnet-4-6"
UNPRICED = "acme-large-1"
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
ERROR_EVENT = b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n'
ENDPOINTS = """
[endpoints.default]
path = ""
upstreams = ["anthropic"]
[endpoints.down]
upstreams = ["nobody"]
organization = "acme"
[upstreams.nobody]
url = "http://127.0.0.1:{port}"
"""
TIMES = """
header_timeout = 1
"""
USAGE = {
    "input_tokens": 100,
    "cache_read_input_tokens": 2_000,
    "cache_creation_input_tokens": 300,
    "cache_creation": {"ephemeral_5m_input_tokens": 200, "ephemeral_1h_input_tokens": 100},
    "output_tokens": 40,
    "output_tokens_details": {"thinking_tokens": 12},
}


def message(model: str) -> bytes:
    """A whole answer with every kind of token."""
    content = [{"type": "text", "text": "Hi"}]
    body = {"id": "msg_2", "type": "message", "role": "assistant", "model": model, "content": content}
    return json.dumps({**body, "stop_reason": "max_tokens", "usage": USAGE}).encode()


def failing(status: str, error_type: str, headers: str = "") -> Script:
    """An error answer; its message holds the words that log queries look for."""
    text = f"{error_type}: completed, an upstream error"
    body = {"type": "error", "error": {"type": error_type, "message": text}, "request_id": "req_9"}
    return lambda talk: talk.answer(json.dumps(body).encode(), status=status, headers=headers)


@dataclass
class Parts:
    """What the upstream does for the header `x-test`."""

    hold: threading.Event = field(default_factory=threading.Event)
    stale: bool = True
    """Whether the connection is still to die on the next `stale` request."""

    def __call__(self, talk: Talk) -> None:
        """Answer one request."""
        [name] = talk.seen.values(b"x-test")
        plays: dict[bytes, Script] = {
            b"stream": lambda talk: talk.stream([START, DELTA, END]),
            b"whole": lambda talk: talk.answer(message(MODEL), headers="request-id: req_7\r\n"),
            b"unpriced": lambda talk: talk.answer(message(UNPRICED)),
            b"count": lambda talk: talk.answer(b'{"input_tokens": 17}'),
            b"limited": failing("429 Slow Down", "rate_limit_error", "retry-after: 3\r\n"),
            b"overloaded": failing("529 Later", "overloaded_error"),
            b"error_in_stream": lambda talk: talk.stream([START, DELTA, ERROR_EVENT]),
            b"truncated": self._cut,
            b"mute": lambda talk: talk.wait_closed(),
            b"open": self._open,
            b"stale": self._stale,
        }
        plays[name](talk)

    def _cut(self, talk: Talk) -> None:
        talk.stream([START, DELTA], end=False)
        talk.close()

    def _open(self, talk: Talk) -> None:
        talk.stream([START, DELTA], end=False)
        talk.wait_closed()

    def _stale(self, talk: Talk) -> None:
        if self.stale:
            self.stale = False
            talk.reset()
        else:
            talk.stream([START, DELTA, END])


@dataclass
class Stage:
    """Plays every ending on one proxy."""

    proxy: Proxy

    def play(self) -> None:
        """About twenty requests, one after the other; the proxy is at rest in the end."""
        self.ask("stream", headers=f"traceparent: 00-{TRACE}-{PARENT}-01\r\n")
        for name in ("whole", "whole", "limited", "overloaded", "error_in_stream", "truncated", "stream", "stale"):
            self.ask(name, stream=name not in ("whole",))
        self.ask("unpriced", model=UNPRICED)
        self.ask("count", path="/v1/messages/count_tokens")
        self.ask("mute")
        self.ask("stream", path="/down/v1/messages")
        self.refused()
        self.leave("mute")
        self.leave("open")
        self.fail_storing()
        self.kill_with_one_open()
        self.ask("whole")

    def ask(
        self, name: str, *, path: str = "/v1/messages", model: str = MODEL, stream: bool = True, headers: str = ""
    ) -> Reply:
        """One request; its record is closed when this returns."""
        reply = ask(self.proxy.base_url, request(name, path=path, model=model, stream=stream, headers=headers))
        self.proxy.exchange(reply.request_id)
        return reply

    def refused(self) -> None:
        """The gate refuses."""
        reply = ask(self.proxy.base_url, get("/v1/models", "Expect: 200-maybe\r\n"))
        assert reply.status == 417

    def leave(self, name: str) -> None:
        """A client that leaves before the headers (`mute`) or within the answer (`open`)."""
        before = self._finished()
        with Connection(address(self.proxy.base_url)) as client:
            client.send(request(name))
            if name == "open":
                client.until(DELTA)
            else:
                accepted = "SELECT 1 FROM exchanges WHERE outcome IS NULL"
                wait(lambda: self.proxy.rows(accepted), "the request to be accepted")
        wait(lambda: self._finished() > before, "the leaving to be noticed")

    def fail_storing(self) -> None:
        """A relay process of its own whose record cannot be made."""
        folder, process = Folder(self.proxy.data), f"test-{os.urandom(4).hex()}"

        def spoiled() -> Change | None:
            raise ValueError("spoiled")

        with hold(folder, process), counting(folder, process) as counters:
            recorder = Recorder(folder, process, counters)
            recorder.start()
            recorder.put(spoiled, 0, RequestIds().next(time.time_ns()))
            assert recorder.stop(10)

    def kill_with_one_open(self) -> None:
        """The relay dies while a request is open; returns when another one serves."""
        before, relay = self._finished(), self.proxy.pid("relay")
        with Connection(address(self.proxy.base_url)) as client:
            client.send(request("open"))
            client.until(DELTA)
            accepted = "SELECT 1 FROM exchanges WHERE outcome IS NULL"
            wait(lambda: self.proxy.rows(accepted), "the open row to be committed")
            os.kill(relay, signal.SIGKILL)
        wait(lambda: self._finished() > before, "the open row to be closed")

    def _finished(self) -> int:
        return int(self.proxy.rows("SELECT count(*) AS n FROM journal")[0]["n"])


def request(
    name: str, *, path: str = "/v1/messages", model: str = MODEL, stream: bool = True, headers: str = ""
) -> bytes:
    """A request that plays `name` at the upstream."""
    body = {"model": model, "stream": stream, "max_tokens": 64, "messages": [{"role": "user", "content": name}]}
    return post(path, json.dumps(body).encode(), f"X-Test: {name}\r\nX-Api-Key: {API_KEY}\r\n{headers}")


@contextmanager
def counting(folder: Folder, process: str) -> Iterator[Counters]:
    """The counters of a process."""
    counters = Counters.create(folder, process)
    try:
        yield counters
    finally:
        counters.close()


def upstream() -> Upstream:
    """An upstream that plays its parts."""
    return Upstream(script=Parts())
