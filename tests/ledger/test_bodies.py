"""Bodies: stored once, given back byte for byte."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.exchange import Hop
from proxy.ledger import bodies
from proxy.ledger.bodies import Packer, StoredBody, pack
from proxy.ledger.changes import Body, Opened
from proxy.ledger.connect import transaction
from proxy.ledger.folder import Folder
from tests.ledger.samples import body, opened, request_id, rows, store


@pytest.fixture(autouse=True)
def _exchanges(folder: Folder) -> None:
    store(folder, Opened(opened(1)), Opened(opened(2)))


def _put(conn: sqlite3.Connection, given: Mapping[str, Mapping[Hop, Body | Hop]]) -> None:
    bodies.put(
        conn,
        {
            request_id: {hop: pack(each) if isinstance(each, Body) else each for hop, each in by_hop.items()}
            for request_id, by_hop in given.items()
        },
    )


def _stored(conn: sqlite3.Connection, number: int, hop: Hop) -> StoredBody:
    found = bodies.get(conn, request_id(number), hop)
    assert found is not None
    return found


def conversation(turns: int, start: str = "begin") -> bytes:
    """A request of a conversation: each turn repeats the one before, and the cache breakpoint moves on."""
    said = [f"{start} {number} " + "so it is said " * 100 for number in range(turns)]
    messages = [{"role": "user", "content": [{"type": "text", "text": text}]} for text in said]
    messages[-1]["content"][-1]["cache_control"] = {"type": "ephemeral"}  # type: ignore[index]
    tools = [{"name": f"tool {number}", "description": "what it does " * 60} for number in range(4)]
    return json.dumps({"model": "m", "messages": messages, "tools": tools, "stream": True}).encode()


@given(st.lists(st.binary(max_size=2000), max_size=5))
def test_any_chunks_are_packed_as_their_bytes(chunks: list[bytes]) -> None:
    packed = pack(Body(chunks, size=0))
    packed.make(Packer())
    assert packed.recipe is None
    assert packed.part is not None
    assert b"".join(bodies.unpacked(packed.part)) == packed.whole == b"".join(chunks)


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"compressible " * 100_000, bytes(range(256)) * 4, bytes(3_000_000), conversation(9)]
)
def test_body_is_read_back_with_what_is_known_of_it(conn: sqlite3.Connection, content: bytes) -> None:
    _put(conn, {request_id(1): {Hop.CLIENT_REQUEST: body(content)}})
    found = _stored(conn, 1, Hop.CLIENT_REQUEST)
    assert found.read() == content
    assert (found.size, found.stored_size, found.sha256) == (len(content),) * 2 + (hashlib.sha256(content).hexdigest(),)
    assert (found.capture, found.redacted) == (None, False)


def test_large_body_is_handed_out_in_pieces(conn: sqlite3.Connection) -> None:
    _put(conn, {request_id(1): {Hop.CLIENT_REQUEST: body(b"x" * 1_000_000)}})
    pieces = list(_stored(conn, 1, Hop.CLIENT_REQUEST).pieces())
    assert len(pieces) > 1
    assert sum(len(piece) for piece in pieces) == 1_000_000


def test_same_content_is_stored_once(conn: sqlite3.Connection) -> None:
    for number in (1, 2):
        _put(conn, {request_id(number): {Hop.CLIENT_REQUEST: body(b"the same" * 100)}})
    assert conn.execute("SELECT count(*), min(length(data)) < 100 FROM bodies").fetchone() == (1, 1)


def test_next_turn_of_a_conversation_adds_only_what_is_new(conn: sqlite3.Connection) -> None:
    for number, turns in ((1, 20), (2, 21)):
        _put(conn, {request_id(number): {Hop.CLIENT_REQUEST: body(conversation(turns))}})
        assert _stored(conn, number, Hop.CLIENT_REQUEST).read() == conversation(turns)
    assert conn.execute("SELECT count(*) FROM pieces").fetchone() == (1 + 21 + 4,)
    assert conn.execute("SELECT count(*) FROM nodes").fetchone() == (1 + 21 + 4,)


def test_places_of_a_commit_that_failed_are_not_built_on(folder: Folder, conn: sqlite3.Connection) -> None:
    """Meanwhile another relay has stored the same request, and its numbers went to others."""
    packer, theirs = Packer(), Packer()
    whole = pack(body(conversation(5)))
    conn.execute("BEGIN IMMEDIATE")
    _store(conn, packer, 1, whole)
    conn.execute("ROLLBACK")
    with transaction(conn):
        _store(conn, theirs, 2, pack(body(conversation(9, "of somebody else"))))
    with transaction(conn):
        _store(conn, theirs, 2, pack(body(conversation(5))))
    with transaction(conn):
        _store(conn, packer, 1, whole)
    packer.remember([whole])
    with transaction(conn):
        _store(conn, packer, 1, pack(body(conversation(6))))
    assert _stored(conn, 1, Hop.CLIENT_REQUEST).read() == conversation(6)


def _store(conn: sqlite3.Connection, packer: Packer, number: int, packed: bodies.Packed) -> None:
    bodies.make_new(conn, [packed], packer)
    bodies.put(conn, {request_id(number): {Hop.CLIENT_REQUEST: packed}})


def test_contents_are_all_that_is_stored(conn: sqlite3.Connection) -> None:
    contents = [b"small", conversation(5)]
    _put(conn, {request_id(number): {Hop.CLIENT_REQUEST: body(each)} for number, each in enumerate(contents, 1)})
    found = [b"".join(b"".join(bodies.unpacked(part)) for part in parts()) for *_, parts in bodies.contents(conn)]
    assert found == contents


def test_hop_equal_to_another_is_a_reference(conn: sqlite3.Connection) -> None:
    _put(conn, {request_id(1): {Hop.CLIENT_REQUEST: body(b"content")}})
    _put(conn, {request_id(1): {Hop.UPSTREAM_REQUEST: Hop.CLIENT_REQUEST}})
    assert _stored(conn, 1, Hop.UPSTREAM_REQUEST) == _stored(conn, 1, Hop.CLIENT_REQUEST)


def test_hop_equal_to_another_of_the_same_time_takes_no_row(conn: sqlite3.Connection) -> None:
    both: dict[Hop, Body | Hop] = {Hop.UPSTREAM_RESPONSE: body(b"content"), Hop.CLIENT_RESPONSE: Hop.UPSTREAM_RESPONSE}
    _put(conn, {request_id(1): both})
    assert conn.execute("SELECT count(*) FROM exchange_bodies").fetchone() == (1,)
    assert _stored(conn, 1, Hop.CLIENT_RESPONSE) == _stored(conn, 1, Hop.UPSTREAM_RESPONSE)
    _put(conn, {request_id(1): {Hop.CLIENT_RESPONSE: body(b"other")}})
    assert _stored(conn, 1, Hop.CLIENT_RESPONSE).read() == b"other"
    assert _stored(conn, 1, Hop.UPSTREAM_RESPONSE).read() == b"content"


def test_hop_equal_to_one_that_was_not_kept_again_still_has_its_bytes(conn: sqlite3.Connection) -> None:
    _put(conn, {request_id(1): {Hop.CLIENT_REQUEST: body(b"content")}})
    lost: dict[Hop, Body | Hop] = {Hop.CLIENT_REQUEST: Body((), 7, None, "queue_full")}
    lost[Hop.UPSTREAM_REQUEST] = Hop.CLIENT_REQUEST
    _put(conn, {request_id(1): lost})
    assert _stored(conn, 1, Hop.UPSTREAM_REQUEST).read() == b"content"


def test_hops_that_name_each_other_have_no_body(conn: sqlite3.Connection) -> None:
    _put(conn, {request_id(1): {Hop.UPSTREAM_REQUEST: Hop.CLIENT_REQUEST}})
    _put(conn, {request_id(1): {Hop.CLIENT_REQUEST: Hop.UPSTREAM_REQUEST}})
    assert bodies.get(conn, request_id(1), Hop.UPSTREAM_REQUEST) is None


def test_head_of_a_body_says_why_it_is_not_whole(conn: sqlite3.Connection) -> None:
    _put(conn, {request_id(1): {Hop.CLIENT_REQUEST: Body([b"he", b"ad"], 1_000, "ab", "too_large")}})
    found = _stored(conn, 1, Hop.CLIENT_REQUEST)
    assert (found.read(), found.size, found.stored_size, found.capture) == (b"head", 1_000, 4, "too_large")


def test_stored_body_is_not_replaced_by_one_that_was_not_kept(conn: sqlite3.Connection) -> None:
    _put(conn, {request_id(1): {Hop.CLIENT_REQUEST: body(b"content")}})
    _put(conn, {request_id(1): {Hop.CLIENT_REQUEST: Body((), 7, None, "queue_full")}})
    _put(conn, {request_id(1): {Hop.CLIENT_REQUEST: Hop.UPSTREAM_REQUEST}})
    assert _stored(conn, 1, Hop.CLIENT_REQUEST).read() == b"content"


def test_body_that_is_replaced_leaves_nothing_behind(conn: sqlite3.Connection) -> None:
    _put(conn, {request_id(1): {Hop.CLIENT_REQUEST: body(b"first")}})
    _put(conn, {request_id(1): {Hop.CLIENT_REQUEST: body(b"second")}})
    assert _stored(conn, 1, Hop.CLIENT_REQUEST).read() == b"second"
    assert conn.execute("SELECT count(*) FROM bodies").fetchone() == (1,)


def test_content_is_discarded_only_when_nobody_has_it(folder: Folder, conn: sqlite3.Connection) -> None:
    _put(conn, {request_id(1): {Hop.CLIENT_REQUEST: body(b"content")}})
    reference = conn.execute("SELECT id FROM bodies").fetchone()[0]
    assert not bodies.discard(conn, reference)
    conn.execute("UPDATE exchange_bodies SET body = NULL")
    assert bodies.discard(conn, reference)
    assert rows(folder, "SELECT count(*) FROM bodies") == [(0,)]


def test_content_already_stored_is_not_compressed_again(conn: sqlite3.Connection) -> None:
    _put(conn, {request_id(1): {Hop.CLIENT_REQUEST: body(b"content" * 100)}})
    again, new = pack(body(b"content" * 100)), pack(body(b"other" * 100))
    bodies.make_new(conn, [again, new], Packer())
    assert again.part is None
    assert new.part is not None
    assert new.part.codec == "zstd"


def test_nothing_is_known_of_a_hop_without_a_body(conn: sqlite3.Connection) -> None:
    assert bodies.get(conn, request_id(1), Hop.CLIENT_RESPONSE) is None
