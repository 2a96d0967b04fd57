"""Group D, capture and event streams: whatever the bytes, they pass, and what is learned of them is true or unknown."""

from __future__ import annotations

import gzip
import json
import math
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.exporting import QUICK
from tests.faults.failing import FailAt, Inside
from tests.kit import laws
from tests.kit.process import Proxy, Row, wait
from tests.kit.raw import MESSAGES, ask, post
from tests.kit.upstream import DELTA, END, START, Talk, Upstream, ok
from tests.receiver import Receiver, receiver, values
from tests.relay.conftest import FAST, Relayed

TEXT = "Grüße,\u2028\u2029\u0085\x0b\x0c 𝄞 日本"
SAID = json.dumps({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": TEXT}})
BEGUN = (
    b'event: content_block_start\ndata: {"type":"content_block_start","index":0,'
    b'"content_block":{"type":"text","text":""}}\n\n'
)
GOLDEN = (
    START
    + BEGUN
    + b"event: content_block_delta\ndata: "
    + json.dumps(json.loads(SAID), ensure_ascii=False).encode()
    + b"\n\n"
    + END
)
COUNTED = {
    "outcome": "ok",
    "usage_source": "final",
    "input_tokens": 25,
    "output_tokens": 9,
    "finish_reason": "end_turn",
}


@pytest.fixture(scope="module")
def telling() -> Iterator[Receiver]:
    with receiver() as one:
        yield one


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory, telling: Receiver) -> Iterator[Relayed]:
    """A running proxy with short time-outs that exports everything."""
    upstream = Upstream()
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": telling.url, **QUICK}
    with upstream.running():
        proxy = Proxy(tmp_path_factory.mktemp("proxy"), upstream.url, relay=FAST, env=env)
        with proxy.running():
            yield Relayed(proxy, upstream)


@pytest.fixture
def relayed(installation: Relayed, telling: Receiver) -> Iterator[Relayed]:
    """The module's proxy with a fresh script; ends with the laws and without numbers that are none."""
    installation.upstream.script = ok
    installation.upstream.seen.clear()
    yield installation
    laws.check(installation.proxy, payloads=[one.body for one in telling.received])
    shown = [line.rpartition(" ")[2] for line in installation.proxy.metrics().splitlines() if line[:1] not in "#"]
    assert [value for value in shown if not math.isfinite(float(value))] == []


def streamed(relayed: Relayed, pieces: list[bytes], **more: object) -> tuple[bytes, Row]:
    """What the client got of a stream, and its record."""
    relayed.upstream.script = lambda talk: talk.stream(pieces, **more)  # type: ignore[arg-type]
    reply = relayed.ask(MESSAGES)
    assert reply.status == 200
    return reply.body, relayed.proxy.exchange(reply.request_id)


def facts(row: Row) -> Row:
    return {name: row[name] for name in COUNTED}


def text_of(relayed: Relayed, row: Row) -> str:
    message = relayed.proxy.api(f"/api/v1/exchanges/{row['request_id']}/message")
    return str(message["content"][0]["text"])


@pytest.mark.parametrize("length", [1, 2, 3, 7, 61], ids=str)
def test_d1_a_stream_cut_anywhere_gives_the_same_facts(relayed: Relayed, length: int) -> None:
    """As pieces arrive, which the kernel may join; the readers are cut at every byte in tests/reading."""
    body, row = streamed(relayed, [GOLDEN[at : at + length] for at in range(0, len(GOLDEN), length)])
    assert (body, facts(row), text_of(relayed, row)) == (GOLDEN, COUNTED, TEXT)


def with_ends(end: bytes) -> bytes:
    return GOLDEN.replace(b"\n", end)


ODD_LINES = {
    "cr": with_ends(b"\r"),
    "crlf": with_ends(b"\r\n"),
    "mixed": GOLDEN.replace(b"\n\n", b"\r\n\r"),
    "byte order mark": b"\xef\xbb\xbf" + GOLDEN,
    "comments": b": hello\n\n" + GOLDEN.replace(b"event:", b": between\nid: 7\nretry: 5\nevent:"),
    "several data lines": GOLDEN.replace(b',"index":0', b'\ndata: ,"index":0'),
    "no spaces": GOLDEN.replace(b"data: ", b"data:").replace(b"event: ", b"event:"),
}


@pytest.mark.parametrize("name", ODD_LINES)
def test_d2_lines_end_and_events_are_made_as_the_standard_says(relayed: Relayed, name: str) -> None:
    stream = ODD_LINES[name]
    cut = stream.index(b"\r") + 1 if b"\r" in stream else 40
    body, row = streamed(relayed, [stream[:cut], stream[cut:]])
    assert (body, facts(row), text_of(relayed, row)) == (stream, COUNTED, TEXT)


def test_d2_what_no_blank_line_ends_is_no_event(relayed: Relayed) -> None:
    _, row = streamed(relayed, [GOLDEN[:-1]])
    assert (row["outcome"], row["output_tokens"]) == ("truncated", 9)


def test_d3_separators_of_unicode_do_not_end_a_line(relayed: Relayed) -> None:
    assert any(character in GOLDEN.decode() for character in "\u2028\u2029\u0085")
    _, row = streamed(relayed, [GOLDEN])
    assert (facts(row), text_of(relayed, row)) == (COUNTED, TEXT)


def usage(text: str) -> bytes:
    delta = (
        b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},'
        b'"usage":{"output_tokens":'
    )
    return START + delta + text.encode() + b'}}\n\nevent: message_stop\ndata: {"type":"message_stop"}\n\n'


STRANGE: dict[str, tuple[bytes, Row]] = {
    "bad json": (START + b"event: content_block_delta\ndata: {nonsense\n\n" + DELTA + END, COUNTED),
    "unknown event": (START + b'event: surprise\ndata: {"type":"surprise"}\n\n' + DELTA + END, COUNTED),
    "second start": (START + START.replace(b"msg_1", b"msg_2") + DELTA + END, {"output_tokens": 9, "outcome": "ok"}),
    "after the stop": (START + DELTA + END + DELTA + b"event: ping\ndata: {}\n\n", COUNTED),
    "negative": (usage("-5"), {"output_tokens": None}),
    "huge": (usage("1" + "0" * 400), {"output_tokens": None}),
    "text": (usage('"many"'), {"output_tokens": None}),
    "not a number": (usage("NaN"), {}),
    "a list": (usage("[1]"), {"output_tokens": None}),
    "deep": (START + b"event: x\ndata: " + b"[" * 100_000 + b"\n\n" + DELTA + END, COUNTED),
    "no event names": (re.sub(rb"event: [a-z_]+\n", b"", START + DELTA + END), COUNTED),
}


NO_COUNT = "usage.output_tokens is not a count"
UNREADABLE = {
    "bad json": "content_block_delta: not readable as JSON",
    "second start": "a second message_start",
    "not a number": "message_delta: not readable as JSON",
    **dict.fromkeys(("negative", "huge", "text", "a list"), NO_COUNT),
}
"""How what is noted of them in the record begins."""


@pytest.mark.parametrize("name", STRANGE)
def test_d4_what_makes_no_sense_passes_and_never_becomes_a_wrong_number(relayed: Relayed, name: str) -> None:
    stream, known = STRANGE[name]
    body, row = streamed(relayed, [stream])
    assert body == stream
    expected = {key: value for key, value in known.items() if value is not None}
    assert {key: row[key] for key in expected} == expected
    for column in ("input_tokens", "output_tokens", "cache_read_tokens"):
        assert row[column] is None or 0 <= row[column] < 2**53
    noted = (row["parse_error"] or "").partition(": JSON is malformed")[0]
    assert noted == UNREADABLE.get(name, "")


@pytest.mark.parametrize("end", ["last chunk missing", "last event missing", "reset"])
def test_d5_a_stream_that_ends_early_is_truncated_and_keeps_what_was_said(relayed: Relayed, end: str) -> None:
    def script(talk: Talk) -> None:
        whole = end == "last event missing"
        talk.stream([START, DELTA] if whole else [START, DELTA, END[:60]], end=whole)
        talk.reset() if end == "reset" else talk.close()

    relayed.upstream.script = script
    with relayed.connect() as connection:
        connection.send(MESSAGES)
        reply = connection.reply()
    row = relayed.proxy.exchange(reply.request_id)
    assert (row["outcome"], row["usage_source"], row["input_tokens"]) == ("truncated", "partial", 25)
    assert row["error_type"] in ("truncated", "reset")
    assert reply.ended is (end == "last event missing")


@pytest.mark.parametrize(
    "text", [b"\xff\xfe", b"\x00", rb"\ud800", rb"\u0000", b"\xed\xa0\x80", b"\xc3", rb"\udfff\ud800x"], ids=repr
)
def test_d6_text_that_is_none_is_kept_shown_stored_and_exported(
    relayed: Relayed, telling: Receiver, text: bytes
) -> None:
    stream = START.replace(b"msg_1", b"msg_" + text) + DELTA.replace(b"Hi", b"Hi" + text) + END
    relayed.upstream.script = lambda talk: talk.stream([stream])
    body = b'{"model": "m' + text + b'", "stream": true, "metadata": {"user_id": "' + text + b'"}}'
    reply = relayed.ask(post("/v1/messages", body, "x-claude-code-session-id: s\r\n"))
    assert reply.body == stream
    row = relayed.proxy.exchange(reply.request_id)
    assert row["outcome"] == "ok"
    with relayed.proxy.client() as client:
        stored = client.get(f"/api/v1/exchanges/{row['request_id']}/bodies/upstream_response")
        assert stored.content == stream
        for path in (f"/requests/{row['request_id']}?raw=1", f"/requests/{row['request_id']}?view=json", "/requests"):
            assert client.get(path).status_code == 200
        json.loads(client.get(f"/api/v1/exchanges/{row['request_id']}").content)
    wait(lambda: row["request_id"] in told(telling), "its log record")


def told(telling: Receiver) -> set[object]:
    return {values(record.attributes).get("request_id") for record in telling.logs()}


PARTS = {
    *("reader", "reader.feed", "reader.end", "request_facts", "readings"),
    *("redactor.headers", "redactor.look", "redactor.query", "redactor.text", "redactor.body"),
}


def test_d7_a_fault_in_what_looks_costs_neither_the_answer_nor_the_record(tmp_path: Path) -> None:
    """At each call of the parts that read and mask, one after another."""
    upstream, fail = Upstream(), FailAt()
    answer = START + DELTA + END
    upstream.script = lambda talk: talk.stream([START, DELTA, END], headers=f"x-echo: {laws.API_KEY}\r\n")
    said = f"x-api-key: {laws.API_KEY}\r\nx-proxy-workflow: {laws.API_KEY}\r\n"
    request = post("/v1/messages?beta=true", b'{"model": "claude-sonnet-4-6", "stream": true}', said)
    with upstream.running(), Inside(tmp_path, upstream.url, fail).running() as inside:
        proxy = Looking(tmp_path)

        def lost() -> int:
            counted = inside.counters.read().values
            return counted["read_errors"] + counted["poison"]

        def once(name: str = "", number: int = 0) -> int:
            """One request in which that call fails; how many calls of the part there were."""
            fail.again(name, number)
            before = lost()
            reply = ask(inside.url, request)
            assert (reply.status, reply.body) == (200, answer)
            row = proxy.exchange(reply.request_id)
            assert (row["outcome"], row["status"], row["response_bytes"]) == ("ok", 200, len(answer))
            assert lost() - before == (1 if 1 <= number <= fail.calls[name] else 0), (name, number)
            return fail.calls[name]

        once()
        assert set(fail.calls) == PARTS
        for name in sorted(PARTS):
            number = 1
            while once(name, number) >= number:
                number += 1
            assert number > 1, name
    assert laws.CANARY.encode() not in b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


class Looking(Proxy):
    """Reads the ledger of a folder; nothing is started."""

    def __init__(self, folder: Path) -> None:
        self.data = folder


def test_d8_what_has_arrived_is_sent_while_the_upstream_is_still_silent(relayed: Relayed) -> None:
    """Nothing waits for more: each event is with the client before the next one is made."""
    arrived = [threading.Event() for _ in range(20)]

    def script(talk: Talk) -> None:
        talk.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        for event in arrived:
            talk.send(b"%x\r\n%s\r\n" % (len(DELTA), DELTA))
            assert event.wait(10)
        talk.send(b"0\r\n\r\n")

    relayed.upstream.script = script
    with relayed.connect() as connection:
        connection.send(MESSAGES)
        for number, event in enumerate(arrived, 1):
            connection.until(DELTA, number)
            event.set()
        reply = connection.reply()
    assert reply.body == DELTA * 20
    events = relayed.proxy.api(f"/api/v1/exchanges/{relayed.proxy.exchange(reply.request_id)['request_id']}/events")
    times = [event["ms"] for event in events["items"]]
    assert times == sorted(set(times)), "each event came by itself"


def as_json(relayed: Relayed) -> None:
    answer = (
        b'{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-6","content":[],'
        b'"stop_reason":"end_turn","usage":{"input_tokens":25,"output_tokens":9}}'
    )
    relayed.upstream.script = lambda talk: talk.answer(answer, content_type="text/event-stream")


def as_untold_stream(relayed: Relayed) -> None:
    relayed.upstream.script = lambda talk: talk.answer(START + DELTA + END, content_type="application/octet-stream")


def as_unnamed_stream(relayed: Relayed) -> None:
    relayed.upstream.script = lambda talk: talk.send(
        b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(START + DELTA + END) + START + DELTA + END
    )


def as_compressed_stream(relayed: Relayed) -> None:
    relayed.upstream.script = lambda talk: talk.answer(
        gzip.compress(START + DELTA + END), headers="content-encoding: gzip\r\n", content_type="text/event-stream"
    )


@pytest.mark.parametrize("shape", [as_json, as_untold_stream, as_unnamed_stream, as_compressed_stream])
def test_d9_what_an_answer_is_is_told_by_its_bytes(relayed: Relayed, shape: Callable[[Relayed], None]) -> None:
    shape(relayed)
    reply = relayed.ask(MESSAGES)
    assert facts(relayed.proxy.exchange(reply.request_id)) == COUNTED


def test_d9_what_is_no_shape_that_is_known_passes_as_it_is(relayed: Relayed) -> None:
    """A binary event stream, such as Amazon's."""
    frame = b"\x00\x00\x00\x5b\x00\x00\x00\x4b\xa1\xb2\xc3\xd4\x0b:event-type\x07\x00\x05chunk" + b"\x01" * 40
    relayed.upstream.script = lambda talk: talk.answer(frame, content_type="application/vnd.amazon.eventstream")
    reply = relayed.ask(MESSAGES)
    row = relayed.proxy.exchange(reply.request_id)
    assert reply.body == frame
    assert (row["status"], row["output_tokens"], row["response_bytes"]) == (200, None, len(frame))


def test_d10_a_stream_of_pings_stays_alive_and_costs_no_memory(relayed: Relayed) -> None:
    """Longer than every time-out of silence in all; what is kept of it is bounded."""
    ping = b'event: ping\ndata: {"type": "ping"}\n\n'

    def script(talk: Talk) -> None:
        talk.stream([START], end=False)
        ended = time.monotonic() + 3
        while time.monotonic() < ended:
            talk.send(b"%x\r\n%s\r\n" % (len(ping), ping) * 20)
            time.sleep(0.02)
        talk.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(DELTA + END), DELTA + END))

    relayed.upstream.script = script
    reply = relayed.ask(MESSAGES)
    row = relayed.proxy.exchange(reply.request_id)
    assert facts(row) == COUNTED
    assert row["duration_ms"] > 2_500
    assert reply.body.count(ping) > 1_000


def test_d10_a_size_line_in_a_segment_of_its_own_is_no_empty_piece_for_the_client(relayed: Relayed) -> None:
    """An empty chunk would end a chunked answer."""

    def script(talk: Talk) -> None:
        talk.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        for piece in (START, DELTA, END):
            for part in (b"%x" % len(piece), b"\r\n", piece, b"\r\n"):
                talk.send(part)
                time.sleep(0.02)
        talk.send(b"0\r\n")
        time.sleep(0.02)
        talk.send(b"\r\n")

    relayed.upstream.script = script
    with relayed.connect() as connection:
        connection.send(MESSAGES)
        reply = connection.reply()
    row = relayed.proxy.exchange(reply.request_id)
    assert (reply.body, reply.ended, row["outcome"]) == (START + DELTA + END, True, "ok")
    events = relayed.proxy.api(f"/api/v1/exchanges/{row['request_id']}/events")
    assert len(events["items"]) == (START + DELTA + END).count(b"event: ")
