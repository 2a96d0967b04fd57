"""Request ids and trace context."""

from __future__ import annotations

import pytest

from proxy.relay.ids import RequestIds, span_id, trace_context


def test_ids_are_sorted_even_within_a_millisecond_and_when_the_clock_steps_back() -> None:
    ids = RequestIds()
    made = [ids.next(unix_ns) for unix_ns in (5_000_000, 5_000_000, 5_999_999, 6_000_000, 4_000_000)]
    assert made == sorted(made)
    assert len(set(made)) == 5


def test_an_id_is_px_and_a_ulid_of_its_time() -> None:
    """https://github.com/ulid/spec: 48 bits of milliseconds, 80 of chance, Crockford's base 32"""
    made = RequestIds().next(1_469_918_176_385_000_000)
    assert made.startswith("px_01ARYZ6S41")
    assert len(made) == 29


@pytest.mark.parametrize(
    "bad",
    [
        None,
        b"",
        b"00-0",
        b"00-" + b"0" * 32 + b"-" + b"1" * 16 + b"-01",
        b"ff-" + b"1" * 32 + b"-" + b"1" * 16 + b"-01",
    ],
)
def test_a_bad_traceparent_begins_a_new_trace(bad: bytes | None) -> None:
    """G15"""
    trace_id, parent = trace_context(bad)
    assert (len(trace_id), parent) == (32, None)


def test_a_good_traceparent_is_continued() -> None:
    """G15"""
    header = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert trace_context(header) == ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
    assert len(span_id()) == 16
