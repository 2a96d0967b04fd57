"""Which secrets of an earlier body stand in the next one too, so that only the part that differs is searched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from proxy.reading.redaction.scan import REACH
from proxy.reading.redaction.spans import Span
from proxy.reading.turns import Turn

MOST_KEPT = 1_000
"""Secrets of one body that are remembered."""
AROUND = 2_048
"""No search that goes on behind something found, and none that looks back, depends on bytes so far away."""


class Again(NamedTuple):
    """What is known of a body from the one before."""

    low: int
    high: int
    """What begins between the two has to be searched for."""
    known: list[Span]
    """What was found before the one and behind the other."""


def again(turn: Turn, spans: Sequence[Span], longest: int) -> Again:
    """`spans` were found in all of the body before; `longest` is the length of the caller's longest secret."""
    body, before = turn.body, turn.before.body if turn.before is not None else b""
    low = min(max(body.rfind(b'"', 0, turn.start), 0) - REACH, turn.start - longest)
    for span in sorted(spans, reverse=True):
        if span.start < low + AROUND and span.end > low - AROUND:
            low = span.start - AROUND
    moved = len(body) - len(before)
    high = turn.end - moved + AROUND
    for span in sorted(spans, key=lambda span: span.end):
        if span.start < high + AROUND and span.end > high - AROUND:
            high = span.end + AROUND
    known = [span for span in spans if span.end <= low - AROUND]
    known += [
        span._replace(start=span.start + moved, end=span.end + moved) for span in spans if span.start >= high + AROUND
    ]
    return Again(max(0, low), min(len(body), high + moved), known)
