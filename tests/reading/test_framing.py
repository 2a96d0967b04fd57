"""A body is taken apart once, in bounded memory, as stream or as a whole."""

from __future__ import annotations

import tracemalloc
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.reading import framing
from proxy.reading.dialects import Rebuilding, meaning_of
from proxy.reading.encodings import encode
from proxy.reading.facts import ResponseFacts
from proxy.reading.framing import Framing
from proxy.reading.problems import Problems
from proxy.reading.sse import Event, Splitter
from tests.reading.openai import bodies
from tests.reading.streams import CODINGS, PING, STREAM, cut, delta, event, transcript

LONG = "x" * (framing.SETTLED_BYTES // 2)
STREAMS = {
    ("messages", "anthropic"): [
        *transcript(),
        delta(0, "text_delta", text=LONG),
        event("error", {"error": {"type": "overloaded_error", "message": "Overloaded"}}),
        event("message_delta", '{"usage":{"output_tokens":7}}'),
        b'event: content_block_delta\ndata: {"a":\ndata: 1}\n\n',
        b"event:ping\ndata:\n\n",
        b"data: 1\nevent: ping\ndata: 2\n\n",
        b"event: content_block_delta\ndata: x\r\revent: message_stop\rdata: y\n\n",
        b'data: {"type":"content_block_delta","delta":{"type":"text_delta","text":"a"}}\n\n',
        event("a_new_kind", {"usage": {"output_tokens": 9}}),
        PING.replace(b"ping", b"ping "),
    ],
    ("chat", "openai"): [
        *bodies.chat(),
        bodies.chunk({"content": LONG}, usage=None),
        bodies.chunk({"content": '"usage": 5, "finish_reason":"x" [DONE]'}),
        bodies.chunk({"content": "b"}, index=1),
        bodies.chunk({"content": "c"}, "length").replace(b":", b" : "),
        bodies.chunk({"content": "c"}, usage={"completion_tokens": 3}),
        bodies.data({"error": bodies.ERROR}),
        b'event: error\ndata: {"message":"m"}\n\n',
        b'data: {"usage":\ndata: {"completion_tokens":8}}\n\n',
        b'data:{"choices":[],"usage":\t{"completion_tokens":8}}\n\n',
        b"data:[DONE]\n\n",
        b"data:  [DONE]\n\n",
        b": PROCESSING\n\n",
    ],
    ("responses", "openai"): [
        *bodies.events(),
        bodies.named("response.output_text.delta", delta=LONG),
        bodies.named("response.failed", response={"status": "failed", "error": bodies.ERROR}),
        bodies.named("response.created ", response={"id": "resp_other"}),
        bodies.named("keepalive"),
        bodies.named("error", code="server_error", message="m"),
        bodies.named("response.completed", response={"usage": {"output_tokens": 4}}).partition(b"\n")[2],
        b'event: response.x\ndata: 1\nevent: response.incomplete\ndata: {"response":{"model":"m"}}\n\n',
        b"event: foreign\ndata: 1\n\n",
    ],
}
"""What streams are made of, and what only looks like it."""
BETWEEN = [b"\n", b": a comment\n\n", b"id: 1\nretry: 5\n", b"\r\n", b"\r", b"event: x\n", b"data: x\n", b"data: ", b""]
EVENTS = b"event: a\ndata: 1\n\nevent: b\ndata: 2\n\n"


def one_by_one(meaning: Rebuilding, pieces: list[bytes]) -> ResponseFacts:
    """The facts of a stream whose every event is consumed when it comes."""
    splitter = Splitter()
    for number, piece in enumerate(pieces):
        for each in splitter.feed(piece):
            meaning.consume(each, float(number))
    meaning.over(streamed=True, readable=True)
    return meaning.facts()


class Noted:
    """A meaning that writes down what it is told."""

    settled = False

    def __init__(self) -> None:
        self.problems = Problems()
        self.told: list[object] = []

    def consume(self, event: Event, at_ms: float | None) -> None:
        self.told.append((event.name, event.data, at_ms))

    def silent(self, data: bytes, at: int) -> int:
        return at

    def whole(self, body: bytes) -> None:
        self.told.append(body)

    def over(self, *, streamed: bool, readable: bool) -> None:
        self.told.append({"streamed": streamed, "readable": readable})

    def facts(self) -> ResponseFacts:
        return ResponseFacts(parse_error=self.problems.summary())


def told(pieces: list[bytes], content_type: str | None, coding: str | None = None, limit: int = 1000) -> list[object]:
    meaning = Noted()
    taken_apart = Framing(meaning, content_type, coding, limit)
    for number, piece in enumerate(pieces):
        taken_apart.feed(piece, float(number))
    taken_apart.end()
    return [*meaning.told, meaning.facts().parse_error]


@pytest.mark.parametrize("content_type", [STREAM, "application/json", None])
def test_stream_is_read_as_it_arrives_whatever_its_type_says(content_type: str | None) -> None:
    pieces = [EVENTS[:4], EVENTS[4:20], EVENTS[20:]]
    assert told(pieces, content_type) == [
        ("a", b"1", 1.0),
        ("b", b"2", 2.0),
        {"streamed": True, "readable": True},
        None,
    ]


@pytest.mark.parametrize("content_type", [STREAM, "application/json", None])
def test_json_is_handed_over_whole_at_the_end(content_type: str | None) -> None:
    assert told([b' {"a"', b"", b":1}"], content_type) == [b' {"a":1}', {"streamed": False, "readable": True}, None]


@pytest.mark.parametrize("coding", CODINGS)
def test_encoded_stream_is_read_and_timed_as_it_arrives(coding: str) -> None:
    encoded = encode(EVENTS, coding)
    assert told([encoded, b""], STREAM, coding) == [
        ("a", b"1", 0.0),
        ("b", b"2", 0.0),
        {"streamed": True, "readable": True},
        None,
    ]


@pytest.mark.parametrize("coding", CODINGS)
def test_encoded_body_of_another_type_is_decoded_at_the_end(coding: str) -> None:
    assert told(cut(encode(b'{"a":1}', coding), [3, 9]), "application/json", coding)[:2] == [
        b'{"a":1}',
        {"streamed": False, "readable": True},
    ]
    assert told([encode(EVENTS, coding)], None, coding)[:2] == [("a", b"1", None), ("b", b"2", None)]


def test_body_over_the_limit_is_not_kept() -> None:
    assert told([b'{"a":"' + b"x" * 600, b"x" * 600, b'"}'], "application/json") == [
        {"streamed": False, "readable": False},
        "too large to read",
    ]
    assert told([encode(b"{}", "gzip")], "application/json", "gzip", limit=5) == [
        {"streamed": False, "readable": False},
        "too large to read",
    ]


def test_decoded_body_may_be_larger_than_the_limit_on_the_wire() -> None:
    body = b'{"a":"' + b"x" * 5000 + b'"}'
    assert told([encode(body, "gzip")], None, "gzip") == [body, {"streamed": False, "readable": True}, None]


def test_stream_may_be_longer_than_the_limit() -> None:
    assert len(told([EVENTS] * 100, STREAM)) == 202


@pytest.mark.parametrize(
    ("content_type", "coding", "problem"),
    [
        (STREAM, "snappy", "unknown content coding 'snappy'"),
        (STREAM, "gzip, br", "chained content codings are not decoded"),
        (STREAM, "gzip", "Error -3 while decompressing data: incorrect header check"),
        ("application/json", "gzip", "Error -3 while decompressing data: incorrect header check"),
    ],
)
def test_coding_that_cannot_be_taken_off_is_told(content_type: str, coding: str, problem: str) -> None:
    """C18"""
    *_, over, said = told([EVENTS], content_type, coding)
    assert isinstance(over, dict)
    assert (over["readable"], said) == (False, problem)


def test_event_too_large_is_told() -> None:
    assert told([b"data: ", *[b"x" * 1_000_000] * 9, b"\n\n", EVENTS], STREAM) == [
        ("a", b"1", 11.0),
        ("b", b"2", 11.0),
        {"streamed": True, "readable": True},
        "an event too large to read",
    ]


@pytest.mark.parametrize(
    ("body", "content_type", "streamed"), [(b"", STREAM, True), (b"", None, False), (b"ev", None, False)]
)
def test_too_few_bytes_are_what_their_type_says(body: bytes, content_type: str | None, streamed: bool) -> None:
    over = told([body], content_type)[-2]
    assert over == {"streamed": streamed, "readable": True}


def made_up(operation: tuple[str, str], chance: Random) -> list[bytes]:
    """Pieces of a stream with nearly everything in it, cut somewhere."""
    parts = STREAMS[operation]
    whole = parts[:5]
    for part in chance.choices(parts, k=chance.randrange(12)):
        whole += [part, chance.choice(BETWEEN)] if chance.random() < 0.3 else [part]
    ends = chance.choice([b"\n", b"\n", b"\n", b"\n", b"\r\n", b"\r"])
    body = b"".join(whole).replace(b"\n", ends)
    cuts = [
        [piece.replace(b"\n", ends) for piece in whole],
        body.splitlines(keepends=True),
        cut(body, chance.choices(range(60_000), k=chance.randrange(30))),
    ]
    return chance.choice(cuts)


@settings(max_examples=600, deadline=None)
@given(st.sampled_from(sorted(STREAMS)), st.sampled_from([1, 300, framing.SETTLED_BYTES]), st.integers(0, 2**32))
def test_events_passed_over_change_nothing_wherever_the_bytes_are_cut(
    operation: tuple[str, str], batch: int, seed: int
) -> None:
    """D1"""
    pieces = made_up(operation, Random(seed))
    reading, eager = meaning_of(*operation), meaning_of(*operation)
    assert reading is not None
    assert eager is not None
    with pytest.MonkeyPatch.context() as changed:
        changed.setattr(framing, "SETTLED_BYTES", batch)
        skimmed = Framing(reading, STREAM, None)
        for number, piece in enumerate(pieces):
            skimmed.feed(piece, float(number))
        skimmed.end()
    assert reading.facts() == one_by_one(eager, pieces)


@pytest.mark.parametrize("operation", STREAMS)
def test_what_waits_to_be_read_is_bounded(operation: tuple[str, str]) -> None:
    """D9"""
    meaning = meaning_of(*operation)
    assert meaning is not None
    skimmed = Framing(meaning, STREAM, None)
    for piece in STREAMS[operation][:12]:
        skimmed.feed(piece, 1.0)
    assert meaning.settled
    tracemalloc.start()
    try:
        for _ in range(1000):
            skimmed.feed(b"data: " + b"x" * 1000 + b"\n\n", 2.0)
        assert tracemalloc.get_traced_memory()[1] < 10 * framing.SETTLED_BYTES
    finally:
        tracemalloc.stop()
