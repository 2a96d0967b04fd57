"""Ids of traces and spans."""

from __future__ import annotations

from dataclasses import replace

from proxy.observer import trace
from tests.observer.samples import exchange, request_id


def test_recorded_ids_are_used() -> None:
    one = replace(exchange(), trace_id="AB" * 16, span_id="0" * 15 + "1", parent_span_id="f" * 16)
    assert trace.trace_id(one) == int("ab" * 16, 16)
    assert trace.span_id(one) == 1
    assert trace.parent_span_id(one) == 2**64 - 1
    assert trace.attempt_span_id(one, 1, "00000000000000aa") == 0xAA


def test_missing_ids_are_derived_from_the_request_id() -> None:
    one = replace(exchange(), trace_id=None, span_id="0" * 16, parent_span_id="zero")
    other = replace(one, request_id=request_id(2))
    assert 0 < trace.trace_id(one) < 2**128
    assert 0 < trace.span_id(one) < 2**64
    assert trace.parent_span_id(one) is None
    ids = {trace.span_id(one), trace.attempt_span_id(one, 1, ""), trace.attempt_span_id(one, 2, "")}
    assert len(ids | {trace.span_id(other)}) == 4
