"""Notes about one request."""

from __future__ import annotations

import hashlib

from proxy.demo.journal import Seen


def test_hash_is_of_everything_sent_so_far() -> None:
    seen = Seen("GET", "/", ())
    assert seen.sent_sha256 == hashlib.sha256(b"").hexdigest()
    for piece in (b"ab", b"", b"c"):
        seen.sent(piece)
    assert (seen.sent_bytes, seen.sent_sha256) == (3, hashlib.sha256(b"abc").hexdigest())


def test_body_that_never_arrived_has_no_hash() -> None:
    seen = Seen("POST", "/", ())
    seen.left(12.5)
    assert (seen.body_sha256, seen.disconnected, seen.disconnected_at) == (None, True, 12.5)
    seen.arrived(b"x")
    assert seen.body_sha256 == hashlib.sha256(b"x").hexdigest()
