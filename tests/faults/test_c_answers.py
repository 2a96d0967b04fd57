"""Group C, what upstreams answer: odd, ambiguous, huge and hostile messages on connections that are used again."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import random
import threading
import time
import zlib
from collections.abc import Callable, Iterator

import brotli
import psutil
import pytest
import zstandard

from proxy.exchange import Hop
from proxy.ledger.bodies import get as get_body
from proxy.ledger.bodies import unpacked
from proxy.ledger.connect import reader
from proxy.ledger.folder import Folder
from proxy.reading.encodings import MAX_DECODED_BYTES
from tests.kit import laws
from tests.kit.process import Row, wait
from tests.kit.raw import MESSAGES, get, post
from tests.kit.upstream import DELTA, END, START, Script, Talk
from tests.relay.conftest import Relayed

MIB = 1 << 20
HEADER_LIMIT = 64 * 1024
MAX_RESPONSE = 16 * MIB
"""What is kept of an answer unless `capture.max_response` says otherwise."""


def says(data: bytes, *, pause: float = 0.0) -> Script:
    """Sends these bytes whatever is asked, and closes; `pause` seconds lie between two halves."""

    def script(talk: Talk) -> None:
        half = len(data) // 2 if pause else 0
        if half:
            talk.send(data[:half])
            time.sleep(pause)
        talk.send(data[half:])
        talk.close()

    return script


def refused(relayed: Relayed, data: bytes) -> dict[str, object]:
    """Asserts that an upstream that says `data` is a 502 and asked once; the attempt."""
    relayed.upstream.script = says(data)
    reply = relayed.ask(MESSAGES)
    assert (reply.status, reply.json()["type"]) == (502, "error"), reply
    row = relayed.proxy.exchange(reply.request_id)
    assert (row["outcome"], row["status"]) == ("upstream_unreachable", 502)
    assert len(relayed.upstream.seen) == 1
    [attempt] = relayed.proxy.rows("SELECT * FROM attempts WHERE request_id = ?", reply.request_id)
    return attempt


def own_answers(relayed: Relayed) -> None:
    """Asserts that the next requests get their own answers, whatever the connections went through."""
    relayed.upstream.script = lambda talk: talk.answer(b"own:" + talk.seen.body)
    for number in range(3):
        reply = relayed.ask(post("/v1/messages", b"%d" % number))
        assert (reply.status, reply.body) == (200, b"own:%d" % number)


@pytest.mark.parametrize(
    "interim",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 102 Processing\r\n\r\n" * 3,
        b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\nset-cookie: hint=1\r\n\r\n",
    ],
    ids=["100", "102", "103"],
)
@pytest.mark.parametrize("pause", [0.0, 0.1], ids=["at once", "in pieces"])
def test_c11_interim_answers_are_swallowed(relayed: Relayed, interim: bytes, pause: float) -> None:
    final = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-a: b\r\n\r\n{}"
    relayed.upstream.script = says(interim + final, pause=pause)
    reply = relayed.ask(MESSAGES)
    assert (reply.status, reply.body, reply.value(b"x-a")) == (200, b"{}", b"b")
    assert (reply.value(b"link"), reply.value(b"set-cookie")) == (None, None)
    assert relayed.proxy.exchange(reply.request_id)["outcome"] == "ok"


def test_c11_a_switch_of_protocols_that_nobody_asked_for_is_a_502(relayed: Relayed) -> None:
    refused(relayed, b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\nframes")


def test_c11_interim_answers_without_end_are_a_502(relayed: Relayed) -> None:
    refused(relayed, b"HTTP/1.1 102 Processing\r\nx-a: b\r\n\r\n" * 4000)


@pytest.mark.parametrize(
    ("request_", "head"),
    [
        (MESSAGES, b"HTTP/1.1 204 No Content\r\nx-a: b\r\n\r\n"),
        (MESSAGES, b"HTTP/1.1 304 Not Modified\r\ncontent-length: 6\r\n\r\n"),
        (get("/", method="HEAD"), b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n"),
        (get("/", method="HEAD"), b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"),
    ],
    ids=["204", "304", "HEAD", "HEAD chunked"],
)
@pytest.mark.parametrize("late", [False, True], ids=["body at once", "body later"])
def test_c12_a_body_where_none_may_be_is_nobodys_answer(
    relayed: Relayed, request_: bytes, head: bytes, late: bool
) -> None:
    def script(talk: Talk) -> None:
        talk.send(head if late else head + b"HTTP/1.1 200 OK\r\n\r\nwrong!")
        if late:
            time.sleep(0.05)
            talk.send(b"HTTP/1.1 200 OK\r\n\r\nwrong!")

    relayed.upstream.script = script
    reply = relayed.ask(request_)
    assert (reply.status, reply.body) == (int(head[9:12]), b"")
    row = relayed.proxy.exchange(reply.request_id)
    assert (row["outcome"], row["response_bytes"]) == ("ok", 0)
    time.sleep(0.1)
    own_answers(relayed)


@pytest.mark.parametrize(
    ("answer", "size"), [(b"HTTP/1.1 204 No Content\r\n\r\n", 0), (b"HTTP/1.0 200 OK\r\n\r\n{}", 2)]
)
def test_c12_of_an_answer_without_any_header_the_size_is_known(relayed: Relayed, answer: bytes, size: int) -> None:
    relayed.upstream.script = says(answer)
    reply = relayed.ask(MESSAGES)
    row = relayed.proxy.exchange(reply.request_id)
    assert (row["outcome"], len(reply.body), row["response_bytes"]) == ("ok", size, size)


@pytest.mark.parametrize(
    "framing",
    [
        b"content-length: 5\r\ntransfer-encoding: chunked\r\n",
        b"transfer-encoding: chunked\r\ncontent-length: 5\r\n",
        b"content-length: 5\r\ncontent-length: 6\r\n",
        b"content-length: 5, 6\r\n",
        b"content-length: +5\r\n",
        b"content-length: 0x5\r\n",
        b"content-length: -1\r\n",
        b"content-length: 5 5\r\n",
        b"content-length:\r\n",
        b"content-length: 99999999999999999999\r\n",
        b"transfer-encoding: gzip, chunked\r\n",
        b"transfer-encoding: chunked, gzip\r\n",
        b"transfer-encoding: xchunked\r\n",
        b"transfer-encoding: identity\r\n",
        b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
        b"content-length : 5\r\n",
    ],
)
def test_c12_ambiguous_framing_is_a_502_and_its_connection_is_closed(relayed: Relayed, framing: bytes) -> None:
    def script(talk: Talk) -> None:
        talk.send(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n0\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nwrong!")
        talk.wait_closed()

    relayed.upstream.script = script
    reply = relayed.ask(MESSAGES)
    assert reply.status == 502
    assert relayed.proxy.exchange(reply.request_id)["outcome"] == "upstream_unreachable"
    wait(lambda: relayed.last.closed_at is not None, "the upstream connection to be closed")
    own_answers(relayed)


@pytest.mark.parametrize(
    "unasked",
    [b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nfor-A!", b"HTTP/1.1 408 Idle\r\n\r\n", b"\x00" * 1000],
    ids=["answer", "408", "zeros"],
)
@pytest.mark.parametrize("pause", [0.0, 0.1], ids=["at once", "later"])
def test_c12_bytes_that_nobody_asked_for_never_become_an_answer(relayed: Relayed, unasked: bytes, pause: float) -> None:
    def script(talk: Talk) -> None:
        body = b"own:" + talk.seen.body
        head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body)
        if pause:
            talk.send(head + body)
            time.sleep(pause)
            talk.send(unasked)
        else:
            talk.send(head + body + unasked)

    relayed.upstream.script = script
    for number in range(5):
        reply = relayed.ask(post("/v1/messages", b"%d" % number))
        assert (reply.status, reply.body) == (200, b"own:%d" % number)
        time.sleep(pause * 2)


@pytest.mark.parametrize("status", [b"999 Odd", b"600 Odd", b"099 Odd", b"1000 Odd", b"20 Odd", b"2x0 Odd", b"-20 Odd"])
def test_c13_a_status_that_is_none_is_a_502(relayed: Relayed, status: bytes) -> None:
    refused(relayed, b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\n\r\n")


@pytest.mark.parametrize("line", [b"529 Overloaded", b"200", b"200 ", b"418 \xe9\xff", b"599 x"])
def test_c13_odd_reasons_and_unregistered_statuses_pass(relayed: Relayed, line: bytes) -> None:
    relayed.upstream.script = says(b"HTTP/1.1 " + line + b"\r\ncontent-length: 2\r\n\r\n{}")
    reply = relayed.ask(MESSAGES)
    assert (reply.status, reply.body) == (int(line[:3]), b"{}")


GARBAGE = {
    "words": b"garbage\r\n\r\n",
    "HTTP/0.9": b"<html><body>hello</body></html>",
    "TLS alert": b"\x15\x03\x01\x00\x02\x02\x50",
    "HTTP/2": b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x80",
    "SSH": b"SSH-2.0-OpenSSH_9.6\r\n",
    "version": b"HTTP/2.0 200 OK\r\ncontent-length: 2\r\n\r\n{}",
    "request": b"GET / HTTP/1.1\r\nhost: a\r\n\r\n",
    "zeros": b"\x00" * 5000,
}


@pytest.mark.parametrize("said", GARBAGE.values(), ids=GARBAGE)
def test_c14_what_is_no_http_is_a_502_whose_beginning_is_kept(relayed: Relayed, said: bytes) -> None:
    attempt = refused(relayed, said)
    assert repr(said[:256])[2:-1] in str(attempt["error_message"])
    assert len(str(attempt["error_message"])) < 1500


def test_c14_a_secret_in_what_is_no_http_is_not_kept(relayed: Relayed) -> None:
    relayed.upstream.script = says(f"unauthorized: {laws.API_KEY}\r\n".encode())
    assert relayed.ask(post("/v1/messages", b"{}", f"x-api-key: {laws.API_KEY}\r\n")).status == 502


def test_c14_random_answers_are_relayed_or_refused(relayed: Relayed) -> None:
    """The seed is fixed: a failure is the same failure again."""
    chance = random.Random(14)
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nX-A: b\r\n\r\nbody"
    for _ in range(60):
        said = bytearray(whole)
        for _ in range(chance.randint(1, 3)):
            said[chance.randrange(len(said))] = chance.randrange(256)
        relayed.upstream.script = says(bytes(said))
        reply = relayed.ask(get("/v1/models"))
        assert reply.status == 502 or 200 <= reply.status < 600, (bytes(said), reply)
    own_answers(relayed)


@pytest.mark.parametrize("fields", [1, 90], ids=["one field", "many fields"])
def test_c15_headers_of_60_kb_are_relayed(relayed: Relayed, fields: int) -> None:
    value = "a" * (60_000 // fields)
    headers = "".join(f"x-{number}: {value}\r\n" for number in range(fields))
    relayed.upstream.script = lambda talk: talk.answer(b"{}", headers=headers)
    reply = relayed.ask(MESSAGES)
    assert reply.status == 200
    assert [reply.value(b"x-%d" % number) for number in range(fields)] == [value.encode()] * fields


@pytest.mark.parametrize(
    "flood",
    [
        b"x-a: " + b"a" * 5_000_000,
        b"x-a: b\r\n" * 600_000,
        b"a" * 5_000_000,
        b"x-a: " + b"a" * HEADER_LIMIT + b"\r\n\r\n",
    ],
    ids=["one value", "many fields", "one name", "one too many"],
)
def test_c15_a_flood_of_headers_is_a_502_and_costs_no_memory(relayed: Relayed, flood: bytes) -> None:
    relay = psutil.Process(relayed.proxy.pid("relay"))
    before = relay.memory_info().rss

    def script(talk: Talk) -> None:
        with contextlib.suppress(OSError):
            talk.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n" + flood)
        talk.close()

    relayed.upstream.script = script
    reply = relayed.ask(MESSAGES)
    assert reply.status == 502
    assert relay.memory_info().rss - before < 8 * MIB


def test_c16_latin_letters_in_a_value_are_relayed(relayed: Relayed) -> None:
    relayed.upstream.script = lambda talk: talk.answer(b"{}", headers="x-latin: \xe9\xff\r\nX-Tab: a\tb\r\n")
    reply = relayed.ask(MESSAGES)
    assert (reply.status, reply.value(b"x-latin"), reply.value(b"X-Tab")) == (200, b"\xe9\xff", b"a\tb")


SPLITTING = {
    "folded": b"x-a: b\r\n c: d",
    "bare CR": b"x-a: b\rx-evil: 1",
    "bare LF": b"x-a: b\nx-evil: 1",
    "zero": b"x-a: b\x00c",
    "control": b"x-a: b\x01c",
    "delete": b"x-a: b\x7fc",
    "space in a name": b"x a: b",
    "no name": b": b",
    "no colon": b"x-a",
    "8-bit name": b"x-\xe9: b",
    "first line": b" x-a: b",
}


@pytest.mark.parametrize("field", SPLITTING.values(), ids=SPLITTING)
def test_c16_headers_that_could_split_an_answer_are_a_502_or_relayed_as_one(relayed: Relayed, field: bytes) -> None:
    relayed.upstream.script = says(b"HTTP/1.1 200 OK\r\n" + field + b"\r\ncontent-length: 2\r\n\r\n{}")
    reply = relayed.ask(MESSAGES)
    assert reply.value(b"x-evil") is None
    assert reply.status == 502


def _zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(data)


def _raw_deflate(data: bytes) -> bytes:
    packed = zlib.compressobj(wbits=-15)
    return packed.compress(data) + packed.flush()


CODECS = {
    "gzip": ("gzip", gzip.compress),
    "br": ("br", brotli.compress),
    "zstd": ("zstd", _zstd),
    "deflate": ("deflate", zlib.compress),
    "raw deflate": ("deflate", _raw_deflate),
}


@pytest.mark.parametrize("size", [1, 7, 50, 10_000], ids="pieces of {}".format)
@pytest.mark.parametrize(("coding", "encode"), CODECS.values(), ids=CODECS)
def test_c18_an_encoded_stream_passes_unchanged_and_is_read(
    relayed: Relayed, coding: str, encode: Callable[[bytes], bytes], size: int
) -> None:
    wire = encode(START + DELTA + END)
    pieces = [wire[at : at + size] for at in range(0, len(wire), size)]
    relayed.upstream.script = lambda talk: talk.stream(pieces, headers=f"content-encoding: {coding}\r\n")
    reply = relayed.ask(post("/v1/messages", b'{"stream": true}', f"Accept-Encoding: {coding}, identity;q=0\r\n"))
    assert (reply.body, reply.value(b"content-encoding")) == (wire, coding.encode())
    assert relayed.last.values(b"accept-encoding") == [f"{coding}, identity;q=0".encode()]
    row = relayed.proxy.exchange(reply.request_id)
    assert (row["outcome"], row["input_tokens"], row["output_tokens"]) == ("ok", 25, 9)
    assert (row["usage_source"], row["finish_reason"]) == ("final", "end_turn")
    assert row["response_sha256"] == hashlib.sha256(wire).hexdigest()


CODINGS = ["gzip", "br", "zstd", "deflate", "compress", "gzip, br", "nonsense"]


@pytest.mark.parametrize("body", [b"not encoded", b"\xff\x00\xfe not encoded"], ids=["text", "no text"])
@pytest.mark.parametrize("coding", CODINGS)
def test_c18_wrong_or_unknown_encodings_pass_unchanged_and_are_marked(
    relayed: Relayed, coding: str, body: bytes
) -> None:
    """What is text all the same is stored as it is; what nobody can search for secrets is not."""
    relayed.upstream.script = lambda talk: talk.answer(body, headers=f"content-encoding: {coding}\r\n")
    reply = relayed.ask(MESSAGES)
    assert reply.body == body
    row = relayed.proxy.exchange(reply.request_id)
    assert row["response_bytes"] == len(body)
    assert row["parse_error"]
    expected = (None, body) if body.isascii() else ("unsearched", b"")
    assert (row["response_capture"], stored(relayed, row)) == expected


def stored(relayed: Relayed, row: Row) -> bytes:
    """What the ledger has of the upstream's answer."""
    with contextlib.closing(reader(Folder(relayed.proxy.data).ledger)) as conn:
        body = get_body(conn, row["request_id"], Hop.UPSTREAM_RESPONSE)
        return b"".join(piece for part in (body.parts if body else ()) for piece in unpacked(part))


def test_c18_an_encoded_body_that_breaks_off_passes_unchanged_and_is_marked(relayed: Relayed) -> None:
    wire = gzip.compress(START + DELTA * 50 + END)[:-40]
    relayed.upstream.script = lambda talk: talk.stream([wire], headers="content-encoding: gzip\r\n")
    reply = relayed.ask(MESSAGES)
    assert (reply.ended, reply.body) == (True, wire)
    row = relayed.proxy.exchange(reply.request_id)
    assert (row["outcome"], row["input_tokens"]) == ("truncated", 25)


def _bombs() -> dict[str, tuple[str, bytes, str]]:
    """Coding, much that is next to nothing in it, and why it is not decoded to its end."""
    zeros, many = b"\x00" * MIB, range(300)
    zstd, br, mild = zstandard.ZstdCompressor(level=9).compressobj(), brotli.Compressor(quality=1), zlib.compressobj(1)
    chance = random.Random(19)
    sparse = b"".join(chance.randbytes(60) + b"\x00" * 5_940 for _ in range(180))
    return {
        "gzip": ("gzip", gzip.compress(b"\x00" * (300 * MIB), 1), "decodes to more than"),
        "zstd": ("zstd", b"".join(zstd.compress(zeros) for _ in many) + zstd.flush(), "decodes to more than"),
        "br": ("br", b"".join(br.process(zeros) for _ in many) + br.finish(), "decodes to more than"),
        "gzip in gzip": ("gzip, gzip", gzip.compress(gzip.compress(b"\x00" * (100 * MIB))), "chained content codings"),
        "within the ratio": (
            "deflate",
            b"".join(mild.compress(sparse) for _ in range(80)) + mild.flush(),
            f"decodes to more than {MAX_DECODED_BYTES} bytes",
        ),
    }


def test_c19_decompression_bombs_are_relayed_and_cost_no_memory(relayed: Relayed) -> None:
    for name, (coding, bomb, reason) in _bombs().items():
        relayed.upstream.script = lambda talk, bomb=bomb, coding=coding: talk.answer(  # type: ignore[misc]
            bomb, headers=f"content-encoding: {coding}\r\n", content_type="text/event-stream"
        )
        with most_memory(relayed) as most:
            reply = relayed.ask(MESSAGES)
            assert reply.body == bomb
            error = relayed.proxy.exchange(reply.request_id)["parse_error"]
        assert reason in error, name
        assert most() < (3 * MAX_DECODED_BYTES if name == "within the ratio" else 32 * MIB), name


@contextlib.contextmanager
def most_memory(relayed: Relayed) -> Iterator[Callable[[], int]]:
    """How much memory the relay took at most, beyond what it had, while the block ran."""
    relay, done = psutil.Process(relayed.proxy.pid("relay")), threading.Event()
    before = most = relay.memory_info().rss

    def look() -> None:
        nonlocal most
        while not done.wait(0.005):
            most = max(most, relay.memory_info().rss)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield lambda: most - before
    finally:
        done.set()
        looking.join()


def test_c20_an_answer_without_end_is_relayed_in_constant_memory(relayed: Relayed) -> None:
    piece, pieces = random.Random(20).randbytes(MIB), 256
    relay = psutil.Process(relayed.proxy.pid("relay"))
    before = relay.memory_info().rss

    def script(talk: Talk) -> None:
        talk.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\n\r\n")
        for _ in range(pieces):
            talk.send(piece)
        talk.close()

    relayed.upstream.script = script
    most, seen_hash = 0, hashlib.sha256()
    with relayed.connect() as connection:
        connection.send(get("/v1/files/f/content", "Connection: close\r\n"))
        got = len(connection.until(b"\r\n\r\n"))
        while data := connection.sock.recv(MIB):
            got += len(data)
            most = max(most, relay.memory_info().rss - before)
    assert got > pieces * MIB
    assert most < 64 * MIB
    for _ in range(pieces):
        seen_hash.update(piece)
    sql = "SELECT * FROM exchanges WHERE response_bytes = ?"
    wait(lambda: relayed.proxy.rows(sql, pieces * MIB), "the record")
    [row] = relayed.proxy.rows(sql, pieces * MIB)
    assert (row["outcome"], row["response_capture"]) == ("ok", "too_large")
    assert row["response_sha256"] == seen_hash.hexdigest()
    kept = stored(relayed, row)
    assert kept == (piece * 17)[: len(kept)]
    assert MAX_RESPONSE - 100 < len(kept) <= MAX_RESPONSE, "but for a word that the limit cuts"


def test_c21_a_byte_now_and_then_is_relayed_as_it_comes(relayed: Relayed) -> None:
    """Slower than the limit on silence in all, never silent for as long."""
    relayed.upstream.script = lambda talk: talk.stream([b"%d" % number for number in range(10)], gap=0.25)
    with relayed.connect() as connection:
        connection.send(MESSAGES)
        connection.until(b"\r\n\r\n")
        for number in range(10):
            connection.until(b"1\r\n%d\r\n" % number)
        start = time.monotonic()
        connection.until(b"0\r\n\r\n")
    assert time.monotonic() - start < 2


def test_c21_a_data_line_of_20_mb_is_relayed_and_not_kept_in_memory(relayed: Relayed) -> None:
    """The reader of events lets go of an event that is larger than its limit."""
    line = b"data: " + b"a" * (20 * MIB) + b"\n\n"
    relay = psutil.Process(relayed.proxy.pid("relay"))
    before = relay.memory_info().rss
    relayed.upstream.script = lambda talk: talk.stream([START, line, END])
    reply = relayed.ask(MESSAGES)
    assert reply.body == START + line + END
    row = relayed.proxy.exchange(reply.request_id)
    assert (row["outcome"], row["input_tokens"], row["output_tokens"]) == ("ok", 25, 9)
    assert relay.memory_info().rss - before < 96 * MIB


@pytest.mark.parametrize(("status", "how"), [(413, "keep"), (401, "close"), (413, "reset"), (401, "chunked")])
def test_c22_an_answer_before_the_upload_is_whole_is_relayed_and_ends_the_upload(
    relayed: Relayed, status: int, how: str
) -> None:
    body = b'{"type":"error","error":{"type":"request_too_large","message":"no"}}'

    def early(talk: Talk) -> None:
        talk.answer(body, status=f"{status} No")
        if how == "reset":
            time.sleep(0.1)
            talk.reset()
        elif how == "keep":
            talk.wait_closed()
        talk.close()

    relayed.upstream.early = early
    length = "Transfer-Encoding: chunked" if how == "chunked" else "Content-Length: 30000000"
    piece = b"%x\r\n%s\r\n" % (MIB, b"a" * MIB) if how == "chunked" else b"a" * MIB
    with relayed.connect() as connection:
        connection.send(f"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\n{length}\r\n\r\n".encode())
        with contextlib.suppress(OSError):
            for _ in range(3):
                connection.send(piece)
                time.sleep(0.05)
        reply = connection.reply()
    assert (reply.status, reply.body) == (status, body)
    assert relayed.proxy.exchange(reply.request_id)["outcome"] == "upstream_error"
    wait(lambda: relayed.last.closed_at is not None or how != "keep", "the upload to end")
    relayed.upstream.early = None
    own_answers(relayed)


def test_c22_an_early_answer_that_is_no_error_does_not_end_the_upload(relayed: Relayed) -> None:
    def early(talk: Talk) -> None:
        talk.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n")

    def script(talk: Talk) -> None:
        got = b"%d" % len(talk.seen.body)
        talk.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(got), got))

    relayed.upstream.early, relayed.upstream.script = early, script
    with relayed.connect() as connection:
        connection.send(b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3000000\r\n\r\n")
        connection.send(b"a" * MIB)
        connection.until(b"first")
        connection.send(b"a" * (3_000_000 - MIB))
        reply = connection.reply()
    assert (reply.ended, reply.body) == (True, b"first3000000")
    assert relayed.last.complete


def test_c22_silence_of_an_answer_that_began_before_the_upload_ended_is_that_of_an_answer(relayed: Relayed) -> None:
    def script(talk: Talk) -> None:
        talk.send(b"6\r\nsecond\r\n")
        talk.wait_closed()

    relayed.upstream.early = lambda talk: talk.send(
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n"
    )
    relayed.upstream.script = script
    with relayed.connect() as connection:
        connection.send(b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 6\r\n\r\nabc")
        connection.until(b"first")
        connection.send(b"def")
        connection.until(b"second")
        reply = connection.reply()
    assert (reply.status, reply.ended) == (200, False)
    row = relayed.proxy.exchange(reply.request_id)
    assert (row["outcome"], row["error_type"]) == ("upstream_timeout", "idle_timeout")


def test_c23_a_key_that_the_upstream_repeats_is_relayed_and_stored_nowhere(relayed: Relayed) -> None:
    body = b'{"type":"error","error":{"type":"authentication_error","message":"invalid key %s"}}'
    body %= laws.API_KEY.encode()
    echoed = f"www-authenticate: Key {laws.API_KEY}\r\n"
    relayed.upstream.script = lambda talk: talk.answer(body, status="401 Unauthorized", headers=echoed)
    reply = relayed.ask(post("/v1/messages", b"{}", f"x-api-key: {laws.API_KEY}\r\n"))
    assert (reply.status, reply.body) == (401, body)
    assert reply.value(b"www-authenticate") == f"Key {laws.API_KEY}".encode()
    row = relayed.proxy.exchange(reply.request_id)
    assert row["error_type"] == "authentication_error"
    assert laws.CANARY not in str(row["error_message"])
