"""Bodies for the tests of reading: sample exchanges, an event stream with everything in it, and short ways to read."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from proxy.reading.encodings import encode
from proxy.reading.jsontext import Json
from proxy.reading.response import ResponseFacts, reader

VECTORS = Path(__file__).parents[1] / "fixtures" / "vectors"
STREAM = "text/event-stream; charset=utf-8"
CODINGS = ("gzip", "deflate", "br", "zstd")


@dataclass(frozen=True)
class Vector:
    """One sample exchange."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    facts: dict[str, object]

    def header(self, wanted: str) -> str | None:
        return next((value for name, value in self.headers if name == wanted), None)


def vector(name: str) -> Vector:
    sample = json.loads((VECTORS / f"{name}.json").read_text())
    body = sample["body"].encode() if "body" in sample else base64.b64decode(sample["body_base64"])
    headers = tuple((name, value) for name, value in sample["headers"])
    return Vector(sample["status"], headers, body, sample["facts"])


def event(name: str, payload: Json | str, padding: str = "") -> bytes:
    """Spell an event as Anthropic does; a string is taken as the data itself."""
    if isinstance(payload, str):
        data = payload
    else:
        data = json.dumps({"type": name, **payload} if isinstance(payload, dict) else payload, ensure_ascii=False)
        data = data[:-1] + padding + data[-1:]
    return f"event: {name}\ndata: {data}\n\n".encode()


def start(usage: Json, **message: Json) -> bytes:
    shape: Json = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-6",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
        **message,
    }
    return event("message_start", {"message": shape}, "  ")


def block(index: int, content_block: Json) -> bytes:
    return event("content_block_start", {"index": index, "content_block": content_block}, "   ")


def delta(index: int, kind: str, **fields: Json) -> bytes:
    return event("content_block_delta", {"index": index, "delta": {"type": kind, **fields}}, " ")


def block_stop(index: int) -> bytes:
    return event("content_block_stop", {"index": index}, "      ")


def change(usage: Json, stop_reason: str | None = "end_turn", **fields: Json) -> bytes:
    return event(
        "message_delta", {"delta": {"stop_reason": stop_reason, "stop_sequence": None}, "usage": usage, **fields}
    )


STOP = event("message_stop", {}, "      ")
PING = b'event: ping\ndata: {"type": "ping"}\n\n'

START_USAGE: dict[str, Json] = {
    "input_tokens": 25,
    "cache_creation_input_tokens": 1500,
    "cache_read_input_tokens": 18000,
    "output_tokens": 1,
    "cache_creation": {"ephemeral_5m_input_tokens": 1200, "ephemeral_1h_input_tokens": 300},
    "service_tier": "standard",
    "inference_geo": "us",
}
END_USAGE: dict[str, Json] = {
    "input_tokens": 40,
    "cache_creation_input_tokens": 1500,
    "cache_read_input_tokens": 18000,
    "output_tokens": 42,
    "output_tokens_details": {"thinking_tokens": 20},
    "server_tool_use": {"web_search_requests": 1, "web_fetch_requests": 0},
}
CITATION: Json = {
    "type": "web_search_result_location",
    "url": "https://example.test/a",
    "title": "A page",
    "encrypted_index": "Eo8B",
    "cited_text": "naïve 🦊",
}
SEARCH_RESULT: Json = {
    "type": "web_search_tool_result",
    "tool_use_id": "srvtoolu_01",
    "content": [{"type": "web_search_result", "title": "A page", "url": "https://example.test/a", "page_age": None}],
}


def transcript() -> list[bytes]:
    """Return the events of an answer with text, server tool, thinking and citations (wire facts, 7.3)."""
    return [
        start(START_USAGE),
        block(0, {"type": "text", "text": ""}),
        PING,
        delta(0, "text_delta", text="The "),
        delta(0, "text_delta", text="fox 🦊"),
        block_stop(0),
        block(1, {"type": "server_tool_use", "id": "srvtoolu_01", "name": "web_search", "input": {}}),
        delta(1, "input_json_delta", partial_json=""),
        delta(1, "input_json_delta", partial_json='{"query": '),
        delta(1, "input_json_delta", partial_json='"x"}'),
        block_stop(1),
        block(2, SEARCH_RESULT),
        block_stop(2),
        block(3, {"type": "thinking", "thinking": "", "signature": ""}),
        delta(3, "thinking_delta", thinking="Let me "),
        delta(3, "thinking_delta", thinking="see."),
        delta(3, "signature_delta", signature="EqQB"),
        block_stop(3),
        block(4, {"type": "redacted_thinking", "data": "AAAA"}),
        block_stop(4),
        block(5, {"type": "text", "text": "", "citations": []}),
        delta(5, "citations_delta", citation=CITATION),
        delta(5, "text_delta", text="日本語"),
        block_stop(5),
        change(END_USAGE, stop_details=None),
        STOP,
    ]


def read(
    pieces: bytes | Iterable[bytes],
    *,
    content_type: str | None = STREAM,
    content_encoding: str | None = None,
    status: int = 200,
    operation: str = "messages",
    dialect: str = "anthropic",
    limit: int | None = None,
) -> ResponseFacts:
    """Read a response; piece number n arrives n + 1 milliseconds after the start."""
    reading = reader(
        operation=operation,
        dialect=dialect,
        content_type=content_type,
        content_encoding=content_encoding,
        status=status,
        **({} if limit is None else {"limit": limit}),
    )
    for number, piece in enumerate([pieces] if isinstance(pieces, bytes) else pieces):
        reading.feed(piece, number + 1.0)
    return reading.end()


def flushed(pieces: list[bytes], coding: str) -> list[bytes]:
    """Encode each piece so that it can be decoded when it arrives, as a server that streams does."""
    if coding in ("gzip", "zstd"):
        return [encode(piece, coding) for piece in pieces]
    return [encode(b"".join(pieces), coding)]


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    """Cut bytes at places; places beyond the end and repeated ones give empty pieces."""
    marks = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(marks)]
