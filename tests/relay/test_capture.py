"""The bounded copy of a body."""

from __future__ import annotations

import asyncio
import gc
import hashlib
from time import perf_counter
from types import FunctionType, ModuleType, SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.reading.facts import ResponseFacts
from proxy.reading.response import reader
from proxy.relay.capture import Copy, Drain
from proxy.relay.errors import ClientDisconnected, ShuttingDown
from tests.relay.test_finish import captured, finisher


@given(st.lists(st.binary(max_size=50)), st.integers(0, 120))
def test_a_copy_keeps_the_head_and_knows_size_and_hash_of_the_whole(parts: list[bytes], limit: int) -> None:
    """C20"""
    copy = Copy(limit)
    for part in parts:
        copy.add(part)
    whole = b"".join(parts)
    assert b"".join(copy.chunks) == whole[:limit]
    assert (copy.size, copy.held, copy.whole) == (len(whole), min(len(whole), limit), len(whole) <= limit)
    assert copy.sha256() == hashlib.sha256(whole).hexdigest()


def test_large_bodies_are_hashed_as_they_pass() -> None:
    copy = Copy(10 << 20)
    for _ in range(50):
        copy.add(b"a" * 65_536)
    assert copy.sha256() == hashlib.sha256(b"a" * 50 * 65_536).hexdigest()


def test_a_drain_has_one_deadline_and_every_later_end_is_the_clients() -> None:
    """B8"""
    capture, gone = captured(b"abc"), ClientDisconnected("the client left.")
    capture.leave(gone, Drain(seconds=30, bytes=10))
    assert capture.deadline - perf_counter() == pytest.approx(30, abs=5)
    assert capture.most_read == 13
    capture.allow(600, lambda: ShuttingDown())
    assert capture.late is not None
    assert capture.late() is gone
    assert capture.deadline - perf_counter() < 60

    async def main() -> None:
        capture.task = asyncio.create_task(asyncio.sleep(60))
        capture.abort(ShuttingDown())
        await asyncio.wait([capture.task], timeout=10)

    asyncio.run(main())
    assert capture.cause is gone


def test_a_client_that_leaves_after_the_last_byte_is_not_drained() -> None:
    """B7"""
    capture = captured(b"abc")
    capture.relayed = True
    capture.leave(ClientDisconnected("the client left."), Drain())
    assert capture.gone is None


def bytes_held(root: object) -> int:
    """How many bytes can be reached from an object, as far as they are contents rather than code."""
    seen: dict[int, object] = {}
    todo = [root]
    while todo:
        each = todo.pop()
        if id(each) not in seen and not isinstance(each, type | ModuleType | FunctionType):
            seen[id(each)] = each
            todo += gc.get_referents(each)
    return sum(len(each) for each in seen.values() if isinstance(each, bytes | bytearray))


def test_what_is_shed_is_held_by_nothing_and_the_answer_was_read() -> None:
    """F9: an answer that is no stream is kept by its reader, too, and a request by what is known of the turn"""
    capture, finish = captured(), finisher()
    request = b'{"model":"claude-sonnet-4-6","messages":[{"role":"user","content":"%s"}]}' % (b"a word " * 20_000)
    answer = b'{"type":"message","content":[{"type":"text","text":"%s"}],"usage":{"input_tokens":7,"output_tokens":9}}'
    answer %= b"an answer " * 20_000
    capture.request, capture.response = Copy(1 << 20), Copy(1 << 20)
    capture.reader = reader(
        operation="messages",
        dialect="anthropic",
        content_type="application/json",
        content_encoding=None,
        status=200,
    )
    capture.request.add(request)
    for chunk in (answer[:70_000], answer[70_000:]):
        capture.response.add(chunk)
        capture.reader.feed(chunk, 1.0)
    finish.arrived(capture)
    assert bytes_held(capture) > len(request) + len(answer)
    capture.shed()
    assert bytes_held(capture) < 10_000
    exchange = finish.finished(capture).exchange
    assert (exchange.usage.input_tokens, exchange.usage.output_tokens) == (7, 9)
    assert (exchange.request_capture, exchange.response_capture) == ("queue_full", "queue_full")
    assert exchange.response_sha256 == hashlib.sha256(answer).hexdigest()


def test_an_answer_whose_reader_fails_is_shed_all_the_same() -> None:
    capture = captured()

    def end() -> ResponseFacts:
        raise ZeroDivisionError

    capture.reader = SimpleNamespace(end=end, feed=None)
    capture.shed()
    assert capture.reader is None
    assert capture.read_error == "ZeroDivisionError"
    assert capture.response.dropped == "queue_full"
