"""The bounded copy of a body."""

from __future__ import annotations

import asyncio
import hashlib
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.relay.capture import Copy, Drain
from proxy.relay.errors import ClientDisconnected, ShuttingDown
from tests.relay.test_finish import captured


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
