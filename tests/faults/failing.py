"""Parts of the relay that fail at a chosen call, given to it by its constructors, and a relay made of them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import ParamSpec, TypeVar

from proxy.exchange import Headers
from proxy.gate import Gate, Rules, allowed_hosts
from proxy.ledger.counters import Counters
from proxy.ledger.folder import Folder, prepare
from proxy.ledger.processes import hold
from proxy.ledger.recorder import MAX_HELD, Recorder
from proxy.reading import ratelimit
from proxy.reading import response as responses
from proxy.reading.facts import ResponseFacts
from proxy.reading.redaction.redactor import Field, Redactor
from proxy.reading.redaction.scan import Scanner
from proxy.reading.redaction.spans import Masked
from proxy.reading.request import request_facts
from proxy.reading.turns import Turn
from proxy.relay.app import Relay
from proxy.relay.finish import Finisher
from proxy.relay.parts import Parts
from proxy.relay.routes import Routes
from proxy.relay.upstream import Client
from proxy.serving.server import server
from proxy.settings.shape import Capture, Endpoint, Upstream
from proxy.settings.shape import Relay as RelayLimits

P = ParamSpec("P")
T = TypeVar("T")


class Fault(Exception):
    """What a part raises when it is told to fail."""


class FailAt:
    """Counts the calls of all parts, by name, and lets one of them fail."""

    def __init__(self) -> None:
        self._turn = ("", 0)
        self.calls: Counter[str] = Counter()

    def again(self, name: str = "", number: int = 0) -> None:
        """Begins a new count; so many calls of that part end in the one that fails."""
        self._turn, self.calls = (name, number), Counter()

    def part(self, name: str, function: Callable[P, T]) -> Callable[P, T]:
        """The function, failing when its turn has come."""

        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            self(name)
            return function(*args, **kwargs)

        return call

    def __call__(self, name: str) -> None:
        """One call of a part."""
        self.calls[name] += 1
        if (name, self.calls[name]) == self._turn:
            raise Fault(name)


class FailingRedactor(Redactor):
    """A redactor each of whose methods counts as a call."""

    def __init__(self, secrets: Iterable[str], salt: bytes, scanner: Scanner, fail: FailAt) -> None:
        super().__init__(secrets, salt, scanner)
        self._fail = fail

    def headers(self, headers: Headers, found: Counter[str] | None = None) -> Headers:
        self._fail("redactor.headers")
        return super().headers(headers, found)

    def look(self, fields: Iterable[Field], texts: Iterable[str]) -> bool:
        self._fail("redactor.look")
        return super().look(fields, texts)

    def query(self, query: str, found: Counter[str] | None = None) -> str:
        self._fail("redactor.query")
        return super().query(query, found)

    def text(self, text: str, found: Counter[str] | None = None) -> str:
        self._fail("redactor.text")
        return super().text(text, found)

    def body(
        self, data: bytes, content_encoding: str | None = None, *, torn: bool = False, turn: Turn | None = None
    ) -> Masked:
        self._fail("redactor.body")
        return super().body(data, content_encoding, torn=torn, turn=turn)


class FailingReader:
    """A reader of answers each of whose methods counts as a call."""

    def __init__(self, reader: responses.ResponseReader, fail: FailAt) -> None:
        self._reader = reader
        self._fail = fail

    def feed(self, data: bytes, at_ms: float) -> None:
        self._fail("reader.feed")
        self._reader.feed(data, at_ms)

    def end(self) -> ResponseFacts:
        self._fail("reader.end")
        return self._reader.end()


class Inside:
    """A relay in a thread of this process, made of parts that can fail."""

    def __init__(self, folder: Path, upstream: str, fail: FailAt, max_held: int = MAX_HELD) -> None:
        self.folder = Folder(folder)
        self._max_held = max_held
        prepare(self.folder)
        self.counters = Counters.create(self.folder, "inside")
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._upstream = upstream
        self._fail = fail
        self._ended: Callable[[], object] = lambda: None

    @contextlib.contextmanager
    def running(self) -> Iterator[Inside]:
        """Serves while the block runs; then everything is recorded."""
        with hold(self.folder, "inside"):
            recorder = Recorder(self.folder, "inside", self.counters, self._max_held)
            recorder.start()
            ready = threading.Event()
            thread = threading.Thread(target=lambda: asyncio.run(self._serve(recorder, ready)))
            thread.start()
            try:
                assert ready.wait(20)
                yield self
            finally:
                self._ended()
                thread.join(20)
                assert recorder.stop(20)

    async def _serve(self, recorder: Recorder, ready: threading.Event) -> None:
        loop, fail = asyncio.get_running_loop(), self._fail
        parts = Parts(
            request_facts=fail.part("request_facts", request_facts),
            readings=fail.part("readings", ratelimit.readings),
            redactor=lambda secrets, salt, scanner: FailingRedactor(secrets, salt, scanner, fail),
        )
        client = Client(loop, connect_timeout=5)
        relay = Relay(
            routes=Routes({"default": Endpoint(upstreams=("one",))}, {"one": Upstream(url=self._upstream)}),
            client=client,
            recorder=recorder,
            finish=Finisher(
                process="inside",
                salt=b"salt",
                capture=Capture(),
                read_failed=lambda: self.counters.add("read_errors"),
                parts=parts,
            ),
            limits=RelayLimits(),
            capture=Capture(),
            reader=fail.part("reader", lambda **named: FailingReader(responses.reader(**named), fail)),
        )
        rules = Rules(allowed_hosts=allowed_hosts("127.0.0.1", ()), max_body=1 << 30)
        listener = server(Gate(relay, rules=rules, refuse=relay.refuse))
        self._ended = lambda: loop.call_soon_threadsafe(listener.stop)
        loop.call_soon(ready.set)
        await listener.serve(sockets=[self._listening])
        await client.close()
