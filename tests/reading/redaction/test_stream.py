"""Secrets that the events of a stream cut in two."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.reading.redaction.redactor import Redactor
from proxy.reading.redaction.scan import Scanner
from proxy.reading.redaction.stream import deltas

SCANNER = Scanner()

KEY = "sk-ant-api03-abcdefghij0123456789"
OWN = "caller-secret-0123456789"
REDACTOR = Redactor([OWN], b"salt", SCANNER)


def anthropic(text: str) -> bytes:
    delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}
    return b"event: content_block_delta\ndata: " + json.dumps(delta).encode() + b"\n\n"


def tool(text: str) -> bytes:
    delta = {"type": "input_json_delta", "partial_json": text}
    whole = json.dumps({"type": "content_block_delta", "index": 1, "delta": delta}, separators=(",", ":"))
    return b"event: content_block_delta\ndata: " + whole.encode() + b"\n\n"


def chat(text: str) -> bytes:
    return b"data: " + json.dumps({"choices": [{"index": 0, "delta": {"content": text}}]}).encode() + b"\n\n"


def responses(text: str) -> bytes:
    return b"data: " + json.dumps({"type": "response.output_text.delta", "delta": text}).encode() + b"\n\n"


SHAPES = [anthropic, tool, chat, responses]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("secret", [KEY, OWN])
@settings(max_examples=40, deadline=None)
@given(cuts=st.lists(st.integers(1, 50), max_size=5))
def test_a_secret_that_is_cut_over_deltas_is_masked_and_every_event_stays_one(
    shape: object, secret: str, cuts: list[int]
) -> None:
    """N-19, H1: split over chunks"""
    text = f'say "hi\n {secret} and\t\\ more'
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    pieces = [text[start:end] for start, end in pairwise(places)]
    stream = b"".join(shape(piece) for piece in pieces)  # type: ignore[operator]
    masked = REDACTOR.body(stream)
    events = [json.loads(event.partition(b"data: ")[2]) for event in masked.data.split(b"\n\n") if event]
    said = json.loads('"' + deltas(masked.data).decode() + '"')
    assert len(events) == len(pieces)
    assert said == text.replace(secret, REDACTOR.mask(secret))
    assert sum(masked.found.values()) == 1


def test_a_stream_without_secrets_is_the_same_object() -> None:
    stream = b"".join(shape(text) for shape in SHAPES for text in ("sk-", "ant", "x", KEY[:9]))
    masked = REDACTOR.body(stream)
    assert masked.data is stream
    assert masked.found == {}


def test_what_is_no_stream_has_no_deltas() -> None:
    assert deltas(json.dumps({"delta": {"text": "a"}}).encode()) == b""


@pytest.mark.parametrize("before", [b"retry: 3000\n\n", b"\n\n", b"\r\n", b": hello\n\n"])
def test_whatever_a_stream_begins_with_its_deltas_are_put_together(before: bytes) -> None:
    """H1"""
    stream = before + anthropic(KEY[:9]) + anthropic(KEY[9:])
    assert REDACTOR.body(stream).found == {"anthropic": 1}
