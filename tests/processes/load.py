"""Traffic of the tests that kill: clients that go on asking, and streams that stay open until they are released."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from tests.kit.raw import MESSAGES, Connection, address, ask, post
from tests.kit.upstream import DELTA, END, START, Talk

HELD = "X-Test-Held: 1\r\n"
"""Request header that asks `Streams` for a stream that stays open."""
HELD_MESSAGES = post("/v1/messages", b'{"model": "claude-sonnet-4-6", "stream": true}', HELD)
PAUSE_S = 0.01
ANSWER = START + DELTA + DELTA + END
"""What every client gets in the end."""


class Streams:
    """Upstream script: short paced streams, and held ones that end when released."""

    def __init__(self) -> None:
        self.release = threading.Event()

    def __call__(self, talk: Talk) -> None:
        """Answer one request."""
        if not talk.seen.values(b"x-test-held"):
            talk.stream([START, DELTA, DELTA, END], gap=PAUSE_S)
            return
        talk.stream([START, DELTA], end=False)
        self.release.wait(60)
        rest = DELTA + END
        talk.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(rest), rest))


@contextlib.contextmanager
def open_streams(url: str, count: int) -> Iterator[list[Connection]]:
    """So many held streams whose first part has arrived."""
    with contextlib.ExitStack() as opened:
        streams = [opened.enter_context(Connection(address(url))) for _ in range(count)]
        for stream in streams:
            stream.send(HELD_MESSAGES)
        for stream in streams:
            stream.until(DELTA)
        yield streams


class Load:
    """A few clients that ask one request after another and note the ids of complete answers."""

    def __init__(self, url: str, clients: int = 4, request: Callable[[], bytes] = lambda: MESSAGES) -> None:
        """`request` makes the next one; called from every client's thread."""
        self._url = url
        self._request = request
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._client, daemon=True) for _ in range(clients)]
        self.answered: list[str] = []
        """Request ids of whole answers, all of them as the upstream gave them."""
        self.broken = 0
        """Answers that broke off and connections that were refused."""
        self.wrong: list[bytes] = []
        """Whole answers with other bytes than the upstream's."""

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Ends when every client has the answer it waits for. Harmless when repeated."""
        self._stop.set()
        for thread in self._threads:
            thread.join(20)

    def _client(self) -> None:
        while not self._stop.is_set():
            try:
                reply = ask(self._url, self._request())
            except OSError:
                self.broken += 1
                time.sleep(0.02)
                continue
            if not reply.ended or reply.request_id is None:
                self.broken += 1
            elif reply.body == ANSWER:
                self.answered.append(reply.request_id)
            else:
                self.wrong.append(reply.body)
