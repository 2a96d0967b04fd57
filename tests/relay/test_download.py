"""The answer on its way back: what is noted of it, and when its request gets an open row."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from proxy.gate import Message
from proxy.ledger.chunks import MOST
from proxy.reading.facts import ResponseFacts
from proxy.relay import download
from proxy.relay.capture import Capture, Drain
from proxy.relay.errors import ClientDisconnected
from proxy.settings.shape import Relay as Limits
from tests.kit.process import wait
from tests.kit.raw import MESSAGES, post
from tests.kit.upstream import DELTA, START, Talk
from tests.relay.conftest import Relayed
from tests.relay.test_finish import captured

OPEN = "SELECT request_id FROM exchanges WHERE outcome IS NULL"
OPEN_BODIES = f"SELECT size FROM exchange_bodies WHERE body IS NOT NULL AND request_id IN ({OPEN})"


class Broken:
    """A reader that fails at the first byte."""

    def feed(self, data: bytes, at_ms: float) -> None:
        raise ZeroDivisionError

    def end(self) -> ResponseFacts:
        return ResponseFacts()


def test_chunks_are_noted_with_offset_and_time_of_arrival() -> None:
    capture = captured(b"")
    for chunk, at in ((b"abc", 5.0), (b"de", 7.0), (b"", 9.0)):
        download.look(capture, chunk, at)
    assert capture.chunks[-2:] == [(0, 5.0), (3, 7.0)]
    assert (capture.times.last_byte_ms, capture.response.size, capture.delivered) == (9.0, 5, 5)


def test_times_of_very_many_chunks_are_not_kept() -> None:
    capture = captured(b"")
    for _ in range(MOST + 10):
        download.look(capture, b"x", 1.0)
    assert len(capture.chunks) == MOST
    assert capture.response.size == MOST + 10


def test_a_reader_that_fails_is_given_up_and_nothing_else() -> None:
    capture = replace(captured(b""), reader=Broken())
    download.look(capture, b"abc", 5.0)
    assert (capture.reader, capture.read_error, capture.response.size) == (None, "ZeroDivisionError", 3)


class Whole:
    """An upstream's answer that arrives in one piece."""

    status, headers, ended = 200, ((b"content-length", b"3"),), True

    async def read(self, offer: object = None) -> bytes:
        return b"abc"


def test_a_client_that_does_not_take_the_last_piece_can_still_be_dropped() -> None:
    """B4: until the last byte is handed over, a deadline ends the request; after that nothing does"""

    async def main() -> None:
        taken = asyncio.Event()

        async def send(message: Message) -> None:
            if message["type"] == "http.response.body":
                await taken.wait()

        for patient in (False, True):
            capture = replace(captured(b""), status=None, over=False)
            passing = download.give_back(capture, Whole(), send, Limits())  # type: ignore[arg-type]
            capture.task = asyncio.create_task(passing)
            await asyncio.sleep(0)
            if patient:
                taken.set()
                await capture.task
            capture.abort(ClientDisconnected("the client stopped reading.", error_type="client_stalled"))
            await asyncio.wait([capture.task], timeout=10)
            assert capture.task.cancelled() is not patient

    asyncio.run(main())


class Streaming:
    """An upstream's answer of which a middle piece arrives while its end is waited for."""

    status, headers, ended = 200, (), False

    def __init__(self, leaving: Capture | None) -> None:
        self.leaving = leaving
        self.accepted: list[bool] = []

    async def read(self, offer: Callable[[bytes], bool]) -> bytes:
        if self.leaving is not None:
            self.leaving.leave(ClientDisconnected("the client left."), Drain())
        self.accepted.append(offer(b"abc"))
        self.ended = True
        return b"end" if self.accepted[0] else b"abcend"


@pytest.mark.parametrize("takes", [True, False], ids=["the client takes it", "the client is behind"])
@pytest.mark.parametrize("left", [True, False], ids=["gone", "there"])
def test_a_middle_piece_is_pushed_only_to_a_client_that_is_there_and_takes_it(takes: bool, left: bool) -> None:
    capture = replace(captured(b""), status=None, over=False)
    pushed: list[bytes] = []
    sent: list[bytes] = []

    def push(piece: bytes) -> bool:
        pushed.extend([piece] * takes)
        return takes

    async def send(message: Message) -> None:
        sent.append(message.get("body", b""))

    response = Streaming(capture if left else None)
    passing = download.give_back(capture, response, send, Limits(), pushing=lambda _: push)  # type: ignore[arg-type]
    with pytest.raises(ClientDisconnected) if left else contextlib.nullcontext():
        asyncio.run(passing)
    assert (pushed, response.accepted) == (([b"abc"], [True]) if takes and not left else ([], [False]))
    assert b"".join([*pushed, *sent]) == (b"" if left else b"abcend")
    assert (capture.response.joined(), capture.delivered) == (b"abcend", 0 if left else 6)


@pytest.mark.parametrize("pause", [False, True], ids=["body at once", "body in two halves"])
def test_a_request_that_lasts_has_an_open_row_with_its_body(relayed: Relayed, pause: bool) -> None:
    answer = threading.Event()

    def script(talk: Talk) -> None:
        answer.wait(0.9)
        talk.answer(b"{}")

    relayed.upstream.script = script
    request = post("/v1/messages", b'{"model": "claude-sonnet-4-6"}')
    with relayed.connect() as connection:
        connection.send(request[:-5])
        if pause:
            wait(lambda: relayed.proxy.rows(OPEN) != [], "an open row during the upload")
        connection.send(request[-5:])
        wait(lambda: [row["size"] for row in relayed.proxy.rows(OPEN_BODIES)] == [30], "the body in the open row")
        answer.set()
        assert connection.reply().status == 200


def test_a_stream_that_ends_without_message_stop_is_truncated_for_us_and_clean_for_the_client(relayed: Relayed) -> None:
    """D5"""
    relayed.upstream.script = lambda talk: talk.stream([START, DELTA])
    reply = relayed.ask(MESSAGES)
    assert reply.ended
    row = relayed.proxy.exchange(reply.request_id)
    assert (row["outcome"], row["usage_source"]) == ("truncated", "partial")


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_an_answer_that_has_no_body_is_whole_without_one(relayed: Relayed, status: str) -> None:
    relayed.upstream.script = lambda talk: talk.send(f"HTTP/1.1 {status}\r\nx-a: b\r\n\r\n".encode())
    reply = relayed.ask(MESSAGES)
    assert reply.status == int(status[:3])
    assert relayed.proxy.exchange(reply.request_id)["outcome"] == "ok"


def test_an_error_inside_a_200_is_its_own_outcome(relayed: Relayed) -> None:
    """N-8, F-29"""
    event = b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n'
    relayed.upstream.script = lambda talk: talk.stream([START, event])
    reply = relayed.ask(MESSAGES)
    assert reply.body == START + event
    row = relayed.proxy.exchange(reply.request_id)
    assert (row["outcome"], row["error_type"], row["status"]) == ("error_in_stream", "overloaded_error", 200)
