"""Places in bytes that a mask is put over, and the bytes with their masks."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

CALLER = "caller"
"""The rule by which a caller's own credential is masked outside its header."""
_TOKEN = re.compile(rb'"((?:[^"\\]++|\\.)*+)"|[^\s"{}\[\]:,]++')


class Span(NamedTuple):
    """A place and what stands there afterwards."""

    start: int
    end: int
    mask: bytes
    rule: str
    """Empty for what continues a secret that is counted already."""


class Masked(NamedTuple):
    """Bytes without their secrets."""

    data: bytes
    found: dict[str, int]
    """How often each rule found something; empty when the bytes are as they were."""
    edits: tuple[tuple[int, int, int], ...] | None = ()
    """What was replaced: start, end, length of the mask, in order; None where the whole is encoded anew."""


def masked(data: bytes, spans: Sequence[Span]) -> Masked:
    """The data with its masks; those that overlap become one."""
    if not spans:
        return Masked(data, {})
    found: Counter[str] = Counter()
    parts, edits, at = [], [], 0
    for span in _joined(spans):
        if span.rule:
            found[span.rule] += 1
        parts += [data[at : span.start], span.mask]
        edits.append((span.start, span.end, len(span.mask)))
        at = span.end
    return Masked(b"".join([*parts, data[at:]]), dict(found), tuple(edits))


def in_tokens(data: bytes, spans: Sequence[Span]) -> Iterator[Span]:
    """The parts of spans that are in strings of JSON, and the whole of its numbers and words, which become strings."""
    for token in _TOKEN.finditer(data):
        quote, group = (b"", 1) if token.group(1) is not None else (b'"', 0)
        first, last = token.span(group)
        for span in spans:
            start, end = (max(first, span.start), min(last, span.end)) if group else (first, last)
            if span.start < last and span.end > first and start < end:
                yield Span(start, end, quote + span.mask + quote, span.rule)


def is_json(text: str) -> bool:
    """Whether a text is JSON that can be read."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _joined(spans: Sequence[Span]) -> Iterator[Span]:
    """The spans in order; those that overlap become one, the caller's own secret naming it."""
    ordered = sorted(spans, key=lambda span: (span.start, -span.end))
    current = ordered[0]
    for span in ordered[1:]:
        if span.start >= current.end:
            yield current
            current = span
        else:
            longer = not current.rule and span.end > current.end
            named = span if longer or CALLER == span.rule != current.rule else current
            current = Span(current.start, max(current.end, span.end), named.mask, named.rule)
    yield current
