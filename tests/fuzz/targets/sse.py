"""The splitter of event streams: the same events wherever the bytes are cut, and those of the standard."""

from __future__ import annotations

from proxy.reading.sse import Event, Splitter, is_stream
from tests.fuzz.targets import cut
from tests.reading.test_sse import naive

TOKENS = (
    b"data: ",
    b"data:",
    b"data",
    b"event: ping\n",
    b"event:",
    b"id: 1\n",
    b"retry: 1\n",
    b": comment\n",
    b"\n",
    b"\r",
    b"\r\n",
    b"\n\n",
    b"\xef\xbb\xbf",
    b"\xe2\x80\xa8",
    b"\xc2\x85",
    b"\x0b",
    b"\x0c",
    b"\x00",
    b'{"type":"ping"}',
    b" ",
)


def check(data: bytes) -> None:
    """Whole, in pieces and by the letter of the standard it is the same."""
    expected = naive(data)
    assert _events([data]) == expected
    assert _events(cut(data, len(data))) == expected
    small = Splitter(max_event_bytes=100)
    kept = [event for piece in cut(data, 7) for event in small.feed(piece)]
    assert len(kept) + small.oversized >= len(expected) or small.oversized
    assert all(len(event.data) <= 100 for event in kept)
    is_stream(data[:64], None)


def _events(pieces: list[bytes]) -> list[Event]:
    splitter = Splitter()
    return [event for piece in pieces for event in splitter.feed(piece)]
