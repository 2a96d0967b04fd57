"""The answer on its way back: what is noted of it, and when its request gets an open row."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from proxy.reading.facts import ResponseFacts
from proxy.relay import download
from tests.kit.process import wait
from tests.kit.raw import post
from tests.kit.upstream import Talk
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
    for _ in range(download.MAX_CHUNK_TIMES + 10):
        download.look(capture, b"x", 1.0)
    assert len(capture.chunks) == download.MAX_CHUNK_TIMES
    assert capture.response.size == download.MAX_CHUNK_TIMES + 10


def test_a_reader_that_fails_is_given_up_and_nothing_else() -> None:
    capture = replace(captured(b""), reader=Broken())
    download.look(capture, b"abc", 5.0)
    assert (capture.reader, capture.read_error, capture.response.size) == (None, "ZeroDivisionError", 3)


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
