"""Readers of Anthropic's answers: no bytes raise, cuts do not matter, numbers can be stored and added up."""

from __future__ import annotations

import msgspec

from proxy.reading.facts import ResponseFacts
from proxy.reading.response import reader
from tests.fuzz.targets import cut

MOST = 2**63 - 1
TYPES = ("text/event-stream", "application/json", "", "text/html")
OPERATIONS = ("messages", "count_tokens", "batches", "other")
STATUSES = (200, 429, 529, 400)
TOKENS = (
    b"event: message_start\ndata: ",
    b"event: message_delta\ndata: ",
    b"event: message_stop\ndata: ",
    b"event: error\ndata: ",
    b"\n\n",
    b"event: content_block_start\ndata: ",
    b"event: content_block_delta\ndata: ",
    b"data: ",
    b'{"type":"message_start","message":',
    b'{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":',
    b'{"type":"error","error":{"type":"overloaded_error"}}',
    b'"usage":{"input_tokens":1,"output_tokens":2}',
    b'"cache_creation":{"ephemeral_5m_input_tokens":1}',
    b'"model":"claude-sonnet-4-6"',
    b'"server_tool_use":{"web_search_requests":1}',
    b"-1",
    b"1e999",
    b"9223372036854775808",
    b"null",
    b"true",
    b"[]",
    b"{}",
    b'"a"',
    b'"\\ud800"',
    b"NaN",
    b"}",
    b"{",
    b"]",
    b"[",
    b",",
    b":",
    b"1.5",
    b'"content":[',
    b'{"type":"text","text":"a"}',
    b'"index":0',
    b'{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","name":"a"}}',
    b'{"type":"ping"}',
)


def check(data: bytes) -> None:
    """The first byte says what is asked, the second what is answered."""
    facts_hold(data, "anthropic", OPERATIONS)


def facts_hold(data: bytes, dialect: str, operations: tuple[str, ...]) -> None:
    """Reads an answer whole and in pieces, and checks what is learned."""
    choice, body = data[:2].ljust(2, b"\0"), data[2:]
    operation, content_type = operations[choice[0] % len(operations)], TYPES[choice[1] % len(TYPES)]
    status = STATUSES[choice[1] // 64]
    whole = _read([body], dialect, operation, content_type, status)
    pieces = _read(cut(body, len(data)), dialect, operation, content_type, status)
    assert pieces == whole
    for name, value in _numbers(msgspec.to_builtins(whole)):
        assert 0 <= value <= MOST, name


def _read(pieces: list[bytes], dialect: str, operation: str, content_type: str, status: int) -> ResponseFacts:
    reading = reader(
        operation=operation, dialect=dialect, content_type=content_type, content_encoding=None, status=status
    )
    for piece in pieces:
        reading.feed(piece, 1.0)
    return reading.end()


def _numbers(value: object, name: str = "") -> list[tuple[str, float]]:
    if isinstance(value, dict):
        return [found for key, each in value.items() for found in _numbers(each, f"{name}.{key}")]
    if isinstance(value, list):
        return [found for each in value for found in _numbers(each, name)]
    return [(name, value)] if isinstance(value, int | float) and not isinstance(value, bool) else []
