"""The reader of answers: however the bytes are cut, the same answer or the same refusal."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.relay.upstream.answer import HEARD, MAX_HEAD, AnswerParser, NotRelayable

TOKEN = st.text("!#$%&'*+-.^_`|~09azAZ", min_size=1, max_size=12)
FIELD_NAMES = TOKEN.filter(lambda name: name.lower() not in ("content-length", "transfer-encoding", "connection"))
VALUES = st.binary(max_size=20).map(lambda value: bytes(byte for byte in value if byte > 32 and byte != 127))
FIELDS = st.lists(st.tuples(FIELD_NAMES.map(str.encode), VALUES), max_size=6)
PIECES = st.lists(st.binary(min_size=1, max_size=40), max_size=5)
CUTS = st.lists(st.integers(0, 2000), max_size=12)
INTERIM = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"


class Read(NamedTuple):
    """What a reader makes of some bytes."""

    refused: bool
    begun: bool
    ended: bool
    reusable: bool
    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


def read(parts: Iterable[bytes], method: str = "POST", *, closed: bool = False) -> Read:
    parser = AnswerParser()
    answer = parser.expect(method)
    refused = False
    try:
        for part in parts:
            parser.feed(part)
        if closed:
            parser.end()
    except NotRelayable:
        refused = True
    reusable = answer.ended and answer.reusable
    headers = answer.headers if answer.begun else []
    return Read(refused, answer.begun, answer.ended, reusable, answer.status, headers, answer.take())


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(edges) if start < end]


def message(fields: list[tuple[bytes, bytes]], pieces: list[bytes], framing: str, interim: bool) -> bytes:
    lines = b"".join(b"%b: %b\r\n" % field for field in fields)
    body = b"".join(pieces)
    if framing == "length":
        lines, wire = lines + b"Content-Length: %d\r\n" % len(body), body
    elif framing == "chunks":
        lines += b"Transfer-Encoding: chunked\r\n"
        wire = b"".join(b"%x;a=b\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\nx-trailer: 1\r\n\r\n"
    else:
        wire = body
    return INTERIM * interim + b"HTTP/1.1 201 Created\r\n" + lines + b"\r\n" + wire


@given(FIELDS, PIECES, st.sampled_from(["length", "chunks", "close"]), st.booleans(), CUTS)
def test_an_answer_is_the_same_however_it_is_cut(
    fields: list[tuple[bytes, bytes]], pieces: list[bytes], framing: str, interim: bool, cuts: list[int]
) -> None:
    data = message(fields, pieces, framing, interim)
    got = read(cut(data, cuts), closed=framing == "close")
    assert (got.refused, got.begun, got.ended, got.status) == (False, True, True, 201)
    assert got.headers[: len(fields)] == fields
    assert len(got.headers) == len(fields) + (framing != "close")
    assert got.body == b"".join(pieces)
    assert got.reusable == (framing != "close")


@given(FIELDS, PIECES, st.sampled_from(["length", "chunks"]), st.binary(max_size=60), CUTS, st.data())
def test_damaged_bytes_are_read_alike_however_they_are_cut(
    fields: list[tuple[bytes, bytes]],
    pieces: list[bytes],
    framing: str,
    after: bytes,
    cuts: list[int],
    chance: st.DataObject,
) -> None:
    data = bytearray(message(fields, pieces, framing, False) + after)
    for _ in range(chance.draw(st.integers(0, 3))):
        data[chance.draw(st.integers(0, len(data) - 1))] = chance.draw(st.integers(0, 255))
    whole, parts = read([bytes(data)]), read(cut(bytes(data), cuts))
    assert whole == parts
    for name, value in whole.headers if whole.begun else ():
        assert not set(name + value) & set(b"\r\n\0")


@given(st.binary(max_size=300), CUTS)
def test_any_bytes_at_all_are_an_answer_an_unfinished_one_or_refused(data: bytes, cuts: list[int]) -> None:
    assert read([data]) == read(cut(data, cuts))


@pytest.mark.parametrize("byte", range(256))
def test_no_byte_in_a_field_can_split_an_answer(byte: int) -> None:
    for field in (b"x%cy: b", b"x: a%cb"):
        line = field % byte
        got = read([b"HTTP/1.1 200 OK\r\n" + line + b"\r\ncontent-length: 0\r\n\r\n"])
        if not got.refused:
            assert got.headers[0] in [(b"x%cy" % byte, b"b"), (b"x", b"a%cb" % byte), (b"x", b"y: b")]
            assert byte >= 32 or byte == 9
            assert byte != 127


@pytest.mark.parametrize(
    ("head", "ended", "reusable"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", True, True),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n", True, False),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n", True, False),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 0\r\nconnection: keep-alive\r\n\r\n", True, True),
        (b"HTTP/1.1 204 No\r\n\r\n", True, True),
        (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n", True, True),
        (b"HTTP/1.1 200 OK\r\n\r\n", False, False),
    ],
)
def test_a_connection_is_used_again_only_where_both_sides_agree(head: bytes, ended: bool, reusable: bool) -> None:
    got = read([head])
    assert (got.ended, got.reusable) == (ended, reusable)


@pytest.mark.parametrize("framing", [b"content-length: 5", b"transfer-encoding: chunked", b"x: y"])
def test_the_answer_to_head_ends_with_its_head_and_the_next_one_is_read(framing: bytes) -> None:
    parser = AnswerParser()
    for method, body in (("HEAD", b""), ("HEAD", b""), ("GET", b"hello")):
        answer = parser.expect(method)
        parser.feed(b"HTTP/1.1 200 OK\r\n" + (framing if not body else b"content-length: 5") + b"\r\n\r\n" + body)
        assert (answer.begun, answer.ended, answer.take()) == (True, True, body)


@pytest.mark.parametrize("after", [b"HTTP/1.1 200 OK\r\n", b"x", b"\x00"])
@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_what_follows_an_answer_spoils_the_connection_and_not_the_answer(method: str, after: bytes) -> None:
    body = b"" if method == "HEAD" else b"hello"
    got = read([b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n" + body + after], method)
    assert (got.refused, got.ended, got.body, got.reusable) == (False, True, body, False)


def test_an_answer_cut_off_by_the_end_of_its_connection_has_not_ended() -> None:
    for unfinished in (b"content-length: 5\r\n\r\nhell", b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"):
        assert not read([b"HTTP/1.1 200 OK\r\n" + unfinished], closed=True).ended
    assert not read([b"HTTP/1.1 200 OK\r\n"], closed=True).ended


@pytest.mark.parametrize("size", [1, 5000, 1 << 20])
def test_heads_up_to_the_limit_pass_and_longer_ones_do_not(size: int) -> None:
    for length, refused in ((MAX_HEAD - 100, False), (MAX_HEAD, True)):
        data = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nx: " + b"a" * length + b"\r\n\r\n"
        got = read(data[at : at + size] for at in range(0, len(data), size))
        assert (got.refused, got.ended) == (refused, not refused)


@pytest.mark.parametrize(
    "filler", [b"0\r\nx: " + b"a" * 4000, b"0\r\n" + b"x: a\r\n" * 700, b"5;" + b"a" * 4000, b"0" * 4000]
)
def test_what_is_neither_head_nor_body_may_not_go_on_for_ever(filler: bytes) -> None:
    """The parser would keep a trailer of any length, and copy it at every piece."""
    begun = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n"
    more = filler[filler.index(b"\n") + 1 :] if b"\n" in filler else filler.replace(b"5;", b"a")
    assert not read([begun, filler, *[more] * 20]).refused
    got = read([begun, filler, *[more] * 60])
    assert (got.refused, got.ended, got.body) == (True, False, b"ok")


@pytest.mark.parametrize("parts", [[b"nonsense " + b"x" * 1000], [b"H", b"T", b"nonsense", b"x" * 1000]])
def test_the_beginning_of_what_is_no_answer_is_told(parts: list[bytes]) -> None:
    parser = AnswerParser()
    parser.expect("GET")
    *first, last = parts[:3]
    for part in first:
        parser.feed(part)
    with pytest.raises(NotRelayable) as refused:
        parser.feed(last)
    assert refused.value.heard == b"".join(parts[:3])[:HEARD]
