"""What the hot functions may cost, in bytecode instructions: the same on every machine, whatever else it does."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from dataclasses import replace
from itertools import islice

import pytest

from benchmarks.instructions import counted
from benchmarks.observer import call
from proxy.exchange import Exchange
from proxy.gate import Message, Rules, allowed_hosts, check
from proxy.ledger.journal import JournalRow
from proxy.observer import logs, spans, totals
from proxy.observer.costs import cost_of
from proxy.observer.labels import Labels
from proxy.observer.table import Table
from proxy.pricing import PriceTable
from proxy.reading.response import reader
from proxy.relay import headers
from proxy.relay.download import give_back
from proxy.relay.upstream.answer import AnswerParser
from proxy.relay.upstream.connection import Connection
from proxy.settings.shape import Relay as Limits
from tests.observer.samples import PAGES
from tests.reading.openai.bodies import chunk, named
from tests.relay.test_finish import captured

MANY = 50
EVENT = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta",'
    b'"text":"a few words "}}\n\n'
)
CHUNK = b"%x\r\n%s\r\n" % (len(EVENT), EVENT)
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
ASKED = [
    (b"host", b"127.0.0.1:8080"),
    (b"content-type", b"application/json"),
    (b"x-api-key", b"sk-ant-api03-benchmark"),
    (b"anthropic-version", b"2023-06-01"),
    (b"user-agent", b"benchmark/1"),
    (b"accept", b"application/json"),
    (b"content-length", b"1000"),
]


def events_parsed() -> Callable[[], object]:
    parser = AnswerParser()
    answer = parser.expect("POST")
    parser.feed(ANSWER + CHUNK)

    def parsed() -> None:
        for _ in range(MANY):
            parser.feed(CHUNK)
            answer.take()

    return parsed


def read_to_the_end(event: bytes, operation: str, dialect: str) -> Callable[[], object]:
    """A stream to its end: what is not read when it comes is read then."""

    def read() -> None:
        reading = reader(
            operation=operation, dialect=dialect, content_type="text/event-stream", content_encoding="", status=200
        )
        for _ in range(MANY):
            reading.feed(event, 1.0)
        reading.end()

    return read


class Discarding(asyncio.Transport):
    """A connection on which nothing is ever sent."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert data

    def abort(self) -> None:
        assert not self.is_closing()

    def is_closing(self) -> bool:
        return False


def events_passed() -> Callable[[], object]:
    """By a request that waits for the next one, which nobody wakes."""
    loop = asyncio.new_event_loop()
    loop.close()
    connection = Connection(loop)
    connection.connection_made(Discarding())
    pushed: list[bytes] = []

    def push(piece: bytes) -> bool:
        pushed.append(piece)
        return True

    async def send(message: Message) -> None:
        assert message["type"].startswith("http.response.")

    async def stream() -> None:
        response = await connection.ask("POST", b"POST / HTTP/1.1\r\n\r\n", None, chunked=False)
        await give_back(replace(captured(b""), reader=None), response, send, Limits(), pushing=lambda _: push)

    streaming = stream()
    streaming.send(None)
    connection.data_received(ANSWER + CHUNK)
    streaming.send(None)

    def passed() -> None:
        for _ in range(MANY):
            connection.data_received(CHUNK)
        assert pushed[-MANY:] == [EVENT] * MANY
        assert inspect.getcoroutinestate(streaming) == inspect.CORO_SUSPENDED

    return passed


def events_read() -> Callable[[], object]:
    return read_to_the_end(EVENT, "messages", "anthropic")


def chunks_read() -> Callable[[], object]:
    return read_to_the_end(chunk({"content": "a few words "}), "chat", "openai")


def deltas_read() -> Callable[[], object]:
    delta = named("response.output_text.delta", item_id="msg_1", output_index=0, content_index=0, delta="a few words ")
    return read_to_the_end(delta, "responses", "openai")


def requests_admitted() -> Callable[[], object]:
    rules = Rules(allowed_hosts=allowed_hosts("127.0.0.1", ()), max_body=1 << 20)
    scope = {
        "method": "POST",
        "raw_path": b"/v1/messages",
        "query_string": b"",
        "headers": ASKED,
        "http_version": "1.1",
    }
    return lambda: [check(scope, rules) for _ in range(MANY)]


def headers_chosen() -> Callable[[], object]:
    return lambda: [(headers.forwarded(ASKED), headers.returned(ASKED, b"px_1")) for _ in range(MANY)]


def told(tell: Callable[[Exchange], object]) -> Callable[[], object]:
    """Each time of other calls, as no two are the same."""
    calls = iter([call(number, stream=True) for number in range(2 * MANY)])
    return lambda: [tell(one) for one in islice(calls, MANY)]


def logged() -> Callable[[], object]:
    row = JournalRow(1, 1_795_000_000_000_000_000, "finished", "px_1")
    prices = PriceTable()
    return told(lambda one: logs.records(row, one, cost_of(one, prices), PAGES))


def spanned() -> Callable[[], object]:
    return told(lambda one: spans.spans(one, None))


def summed() -> Callable[[], object]:
    calls = [totals.Call(call(number, stream=True), None, [20_000] * 40) for number in range(MANY)]
    table = Table()
    labels = Labels(table, lambda _: True)
    return lambda: totals.count(calls, table.draft(1), labels)


@pytest.mark.parametrize(
    ("work", "most"),
    [
        (events_passed, 320),
        (events_parsed, 97),
        (events_read, 61),
        (chunks_read, 78),
        (deltas_read, 70),
        (requests_admitted, 330),
        (headers_chosen, 95),
        (logged, 3_180),
        (spanned, 2_320),
        (summed, 945),
    ],
)
def test_instructions_of_what_runs_for_every_call_or_event_stay_few(
    work: Callable[[], Callable[[], object]], most: int
) -> None:
    ready = work()
    ready()
    assert counted(ready) / MANY < most
