"""The bounded copy of a body."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from proxy.relay.capture import Copy


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
