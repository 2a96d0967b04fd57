"""Replies before they are played: endings, compression, pauses."""

from __future__ import annotations

import gzip
import json
import zlib
from dataclasses import replace

import pytest

from proxy.demo.answer import Message
from proxy.demo.ask import Ask
from proxy.demo.chance import seeded
from proxy.demo.messages import Shape, compose
from proxy.demo.reply import Close, Reply, message_reply, prompt_seconds, stream_reply, vector_reply, whole
from proxy.demo.scenes import Ending, Scene
from proxy.demo.vectors import Vector
from proxy.demo.weight import PromptTokens

MESSAGE = Message("msg_01", "claude-opus-4-6", compose(Ask(), Shape.THINKING, seeded(1)), PromptTokens(3, 20_000), "us")


def stream(ending: Ending = Ending.COMPLETE, *, packed: bool = False, dripping: bool = False) -> Reply:
    scene = Scene("", ending=ending, gzip=packed, dripping=dripping)
    return stream_reply(MESSAGE, scene, [], seeded(2), "req_1", accepts_gzip=True)


def body(reply: Reply) -> bytes:
    return b"".join(piece.data for piece in reply.pieces)


COMPLETE = body(stream())


@pytest.mark.parametrize(
    ("ending", "close"),
    [(Ending.CUT, Close.CUT), (Ending.STALLED, Close.NEVER), (Ending.UNFINISHED, Close.PROPERLY)],
)
def test_broken_answers_are_the_beginning_of_the_whole(ending: Ending, close: Close) -> None:
    reply = stream(ending)
    sent = body(reply)
    assert reply.close is close
    assert COMPLETE.startswith(sent)
    assert b"content_block_delta" in sent
    assert b"message_delta" not in sent


def test_error_event_names_the_request() -> None:
    for ending in (Ending.ERROR_FIRST, Ending.ERROR_MIDSTREAM):
        last = body(stream(ending)).split(b"\n\n")[-2]
        event = json.loads(last.partition(b"data: ")[2])
        assert (event["error"]["type"], event["request_id"]) == ("overloaded_error", "req_1")


def test_compression_changes_nothing_but_the_bytes() -> None:
    assert gzip.decompress(body(stream(packed=True))) == COMPLETE


def test_cut_compressed_answer_lacks_its_end() -> None:
    inflater = zlib.decompressobj(wbits=31)
    assert COMPLETE.startswith(inflater.decompress(body(stream(Ending.CUT, packed=True))))
    assert not inflater.eof


def test_dripping_changes_nothing_but_the_pieces() -> None:
    reply = stream(dripping=True)
    pieces = list(reply.pieces)
    assert {len(piece.data) for piece in pieces} == {1}
    assert b"".join(piece.data for piece in pieces) == COMPLETE


def test_pauses_make_up_the_time_a_model_takes() -> None:
    seconds = sum(piece.pause for piece in stream().pieces)
    shown = sum(len(block.get("text") or block.get("thinking") or "") for block in MESSAGE.answer.blocks) / 4
    assert 0.6 * shown / 55 < seconds < 1.4 * shown / 55


def test_cached_prompts_are_read_faster() -> None:
    fresh, cached = PromptTokens(90_000), PromptTokens(0, cache_read=90_000)
    assert prompt_seconds(fresh, seeded(1)) > 3 * prompt_seconds(cached, seeded(1))


def test_json_takes_as_long_as_the_stream_would() -> None:
    reply = message_reply(MESSAGE, Scene(""), [], seeded(1), accepts_gzip=True)
    assert reply.first_pause > MESSAGE.answer.output_tokens / 55


def test_unknown_models_have_a_pace_as_well() -> None:
    told = replace(MESSAGE, model="something-else")
    assert message_reply(told, Scene(""), [], seeded(1), accepts_gzip=True).first_pause > 0.5


def test_cut_json_says_more_than_it_sends() -> None:
    reply = whole(200, [], b"0123456789", close=Close.CUT)
    assert (reply.headers, body(reply)) == ([("Content-Length", "10")], b"01234")


def test_vector_is_cut_where_events_end() -> None:
    reply = vector_reply(Vector(200, (("a", "b"),), b"one\n\ntwo\n\nrest"))
    assert [piece.data for piece in reply.pieces] == [b"one\n\n", b"two\n\n", b"rest"]
    assert reply.headers == [("a", "b")]
