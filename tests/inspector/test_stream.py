from __future__ import annotations

import zlib

from proxy.inspector import stream
from proxy.inspector.stream import RawEvent, raw_stream

BODY = b'event: a\ndata: {"n":1}\n\nevent: b\ndata: {"n":2}\n\n: comment\n\nevent: c\ndata: \xc3\xa9\n\n'


def test_events_carry_the_time_of_the_chunk_that_completed_them() -> None:
    """S0-28"""
    seen = raw_stream(BODY, None, [(0, 100.0), (10, 200.0), (60, 1300.0)])

    assert seen.events == (
        RawEvent("200 ms", "a", '{"n":1}'), RawEvent("200 ms", "b", '{"n":2}'), RawEvent("1.30 s", "c", "é"),
    )  # fmt: skip
    assert (seen.timed, seen.cut) == (True, False)


def test_encoded_streams_have_times_too() -> None:
    packer = zlib.compressobj(wbits=31)
    first = packer.compress(BODY[:48]) + packer.flush(zlib.Z_SYNC_FLUSH)
    rest = packer.compress(BODY[48:]) + packer.flush()

    seen = raw_stream(first + rest, "gzip", [(0, 100.0), (len(first), 200.0)])

    assert [(event.at, event.name) for event in seen.events] == [("100 ms", "a"), ("100 ms", "b"), ("200 ms", "c")]


def test_without_chunks_times_are_unknown() -> None:
    seen = raw_stream(BODY, None, [])

    assert [event.at for event in seen.events] == ["—", "—", "—"]
    assert not seen.timed


def test_long_streams_are_cut() -> None:
    assert raw_stream(BODY * 1000, None, []).cut
    assert len(raw_stream(BODY * 1000, None, []).events) == stream.MAX_EVENTS
    assert raw_stream(b"data: " + b"x" * (stream.MAX_CHARACTERS + 1) + b"\n\n", None, []).events == ()
