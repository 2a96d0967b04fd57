"""What a client makes of answers, whole, broken and odd."""

from __future__ import annotations

import pytest

from proxy.demo.heard import Heard, read_answer

SSE = "text/event-stream; charset=utf-8"
START = b'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":%s}\n\n'


def test_message_is_read() -> None:
    body = b'{"content":[{"type":"text","text":"a"},{"type":"text","text":"b"}],"usage":{}}'
    heard = read_answer(Heard(status=200), body, "application/json")
    assert (heard.text, heard.complete, heard.worth_another_try) == ("ab", True, False)


@pytest.mark.parametrize("body", [b'{"input_tokens":5}', b"[1]", b"", b"\xff"])
def test_other_json_is_no_message(body: bytes) -> None:
    assert read_answer(Heard(status=200), body, "application/json") == Heard(status=200)


@pytest.mark.parametrize(
    "body",
    [
        b"data: {}\n\n",
        b"data: 5\n\ndata: {broken\n\n",
        b'data: {"type":"content_block_start"}\n\n',
        b'data: {"type":"content_block_delta","index":3,"delta":{}}\n\n',
        START % b"{}" + b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta"}}\n\n',
        START % b"null",
    ],
)
def test_odd_streams_are_survived(body: bytes) -> None:
    assert not read_answer(Heard(status=200), body, SSE).complete


def test_call_that_broke_off_within_its_input_has_none() -> None:
    block = b'{"type":"tool_use","id":"t","name":"Read","input":{}}'
    delta = (
        b'data: {"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\\"a"}}\n\n'
    )
    heard = read_answer(Heard(status=200), START % block + delta, SSE)
    assert heard.calls == [{"type": "tool_use", "id": "t", "name": "Read", "input": {}}]


@pytest.mark.parametrize(
    ("heard", "again"),
    [
        (Heard(), True),
        (Heard(status=200), True),
        (Heard(status=429), True),
        (Heard(status=529), True),
        (Heard(status=429, limit_reached=True), False),
        (Heard(status=400), False),
        (Heard(status=200, complete=True), False),
        (Heard(status=200, aborted=True), False),
    ],
)
def test_another_try_is_worth_it_only_where_it_can_help(heard: Heard, again: bool) -> None:
    assert heard.worth_another_try is again
