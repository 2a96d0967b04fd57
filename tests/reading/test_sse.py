"""The splitter gives what WHATWG's rules give, wherever the bytes are cut."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.reading.sse import Event, Splitter, is_stream
from tests.reading.streams import cut, transcript


def naive(stream: bytes) -> list[Event]:
    """Parse a whole stream by the letter of the standard, a character at a time."""
    text = stream.removeprefix(b"\xef\xbb\xbf").decode("latin-1")
    events: list[Event] = []
    values: list[str] = []
    name = ""
    line, position = "", 0
    while position < len(text):
        char = text[position]
        position += 1
        if char not in "\r\n":
            line += char
            continue
        if char == "\r" and text[position : position + 1] == "\n":
            position += 1
        if line == "":
            if values:
                events.append(Event(name or "message", "\n".join(values).encode("latin-1")))
            name, values = "", []
        elif not line.startswith(":"):
            field, _, value = line.partition(":")
            value = value[1:] if value.startswith(" ") else value
            if field == "event":
                name = value.encode("latin-1").decode("utf-8", "replace")
            elif field == "data":
                values.append(value)
        line = ""
    return events


def split(pieces: list[bytes]) -> list[Event]:
    splitter = Splitter()
    return [event for piece in pieces for event in splitter.feed(piece)]


LINES = st.sampled_from(
    [
        b"",
        b"data",
        b"data:",
        b"data: x",
        b"data:  two spaces",
        b"data:y:z",
        b"event: ping",
        b"event",
        b"event:",
        b": comment",
        b"id: 7",
        b"retry: 10",
        b"datax: no",
        b" data: no",
        b"unknown",
        "data: \u2028\u2029\u0085\x0b\x0c 日本".encode(),
        b"data: \xff\x00",
        b"\xef\xbb\xbfdata: bom",
    ]
)
STREAMS = st.lists(
    st.tuples(LINES, st.sampled_from([b"\n", b"\r", b"\r\n", b"\n\n", b"\r\r", b"\r\n\r\n"])), max_size=12
).map(lambda lines: b"".join(line + end for line, end in lines))


@settings(max_examples=200, deadline=None)
@given(
    STREAMS,
    st.sampled_from([b"", b"\xef\xbb\xbf"]),
    st.sampled_from([b"", b"data: cut", b"data: cut\n", b"\r"]),
    st.lists(st.integers(0, 1000), max_size=6),
)
def test_any_stream_in_any_pieces_gives_the_events_of_the_standard(
    stream: bytes, bom: bytes, end: bytes, places: list[int]
) -> None:
    """D1, D2"""
    whole = bom + stream + end
    assert split(cut(whole, places)) == naive(whole)
    assert split([whole[i : i + 1] for i in range(len(whole))]) == naive(whole)


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_golden_stream_cut_at_every_byte_gives_the_same_events(end: bytes) -> None:
    """D1"""
    golden = b"".join(transcript()).replace(b"\n", end)
    whole = split([golden])
    assert len(whole) == len(transcript())
    for place in range(len(golden)):
        assert split([golden[:place], golden[place:]]) == whole


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: a\ndata: b\n\n", [Event("message", b"a\nb")]),
        (b"event: x\n\ndata: y\n\n", [Event("message", b"y")]),
        (b"event: x\nevent: z\ndata\n\n", [Event("z", b"")]),
        (b": OPENROUTER PROCESSING\n\ndata: a\n\n", [Event("message", b"a")]),
        (b"data: never ended\n", []),
        (b"\xef\xbb\xbfdata: a\n\n", [Event("message", b"a")]),
        (b"data: a\x0b\x0cb\xc2\x85c\n\n", [Event("message", b"a\x0b\x0cb\xc2\x85c")]),
    ],
)
def test_fine_points_of_the_standard(stream: bytes, events: list[Event]) -> None:
    """D2, D3"""
    assert split([stream]) == events
    assert naive(stream) == events


def test_five_megabytes_in_one_line_are_one_event() -> None:
    line = b"data: " + b"x" * 5_000_000
    events = split([*cut(line, range(0, 5_000_000, 65_536)), b"\n\n"])
    assert [len(event.data) for event in events] == [5_000_000]


@pytest.mark.parametrize("line", [b"data: " + b"x" * 900, b": " + b"x" * 900, b"\n".join([b"data: x"] * 60)])
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_event_over_the_limit_is_dropped_and_the_next_one_read(line: bytes, size: int) -> None:
    splitter = Splitter(max_event_bytes=500)
    stream = b"event: big\n" + line + b"\n\nevent: b\ndata: small\n\n"
    events = [event for i in range(0, len(stream), size) for event in splitter.feed(stream[i : i + size])]
    assert events == [Event("b", b"small")]
    assert splitter.oversized == 1


def test_endless_line_holds_no_more_than_the_limit() -> None:
    splitter = Splitter(max_event_bytes=1000)
    for _ in range(5000):
        splitter.feed(b"data: " + b"x" * 100)
    assert len(splitter._line) <= 1000
    assert splitter.oversized == 1


@pytest.mark.parametrize(
    ("head", "content_type", "answer"),
    [
        (b"", "text/event-stream", None),
        (b"ev", None, None),
        (b"event: x", "application/json", True),
        (b"data: x", None, True),
        (b": hello", None, True),
        (b"\xef\xbb\xbfdata: x", None, True),
        (b'  {"a"', "text/event-stream", False),
        (b"[", None, False),
        (b"<html>", None, False),
        (b"<html>", "text/event-stream", True),
        (b" " * 20, "Text/Event-Stream; charset=utf-8", True),
    ],
)
def test_streams_are_told_by_their_bytes_then_by_their_type(
    head: bytes, content_type: str | None, answer: bool | None
) -> None:
    """D9"""
    assert is_stream(head, content_type) is answer


@pytest.mark.parametrize(
    ("fed", "between"),
    [
        (b"", False),
        (b"\xef\xbb", False),
        (b"data: x\n\n", True),
        (b": comment\n", True),
        (b"data: x\n\nd", False),
        (b"data: x\n", False),
        (b"event: x\n", False),
        (b"data: x\r\n\r", False),
        (b"data: " + b"x" * 9_000_000, False),
        (b"data: " + b"x" * 9_000_000 + b"\n", False),
        (b"data: " + b"x" * 9_000_000 + b"\n\n", True),
    ],
    ids=range(11),
)
def test_between_events_nothing_is_held(fed: bytes, between: bool) -> None:
    splitter = Splitter()
    splitter.feed(fed)
    assert splitter.between is between
