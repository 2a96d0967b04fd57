"""A body is taken apart once, in bounded memory, as stream or as a whole."""

from __future__ import annotations

import pytest

from proxy.reading.encodings import encode
from proxy.reading.facts import ResponseFacts
from proxy.reading.framing import Framing
from proxy.reading.problems import Problems
from proxy.reading.sse import Event
from tests.reading.streams import CODINGS, STREAM, cut

EVENTS = b"event: a\ndata: 1\n\nevent: b\ndata: 2\n\n"


class Noted:
    """A meaning that writes down what it is told."""

    def __init__(self) -> None:
        self.problems = Problems()
        self.told: list[object] = []

    def consume(self, event: Event, at_ms: float | None) -> None:
        self.told.append((event.name, event.data, at_ms))

    def whole(self, body: bytes) -> None:
        self.told.append(body)

    def over(self, *, streamed: bool, readable: bool) -> None:
        self.told.append({"streamed": streamed, "readable": readable})

    def facts(self) -> ResponseFacts:
        return ResponseFacts(parse_error=self.problems.summary())


def told(pieces: list[bytes], content_type: str | None, coding: str | None = None, limit: int = 1000) -> list[object]:
    meaning = Noted()
    framing = Framing(meaning, content_type, coding, limit)
    for number, piece in enumerate(pieces):
        framing.feed(piece, float(number))
    framing.end()
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
