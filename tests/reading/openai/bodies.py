"""Bodies in OpenAI's dialect for the tests of reading: a chat with everything in it, a response, and short ways."""

from __future__ import annotations

import json
from collections.abc import Iterable

from proxy.exchange import Usage, UsageSource
from proxy.reading.jsontext import Json
from proxy.reading.rebuild import rebuild
from proxy.reading.response import ResponseFacts
from tests.reading import streams

DONE = b"data: [DONE]\n\n"
CHAT_USAGE: dict[str, Json] = {
    "prompt_tokens": 1000,
    "completion_tokens": 60,
    "total_tokens": 1060,
    "prompt_tokens_details": {"cached_tokens": 700, "cache_write_tokens": 200, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 40, "audio_tokens": 0},
}
USAGE: dict[str, Json] = {
    "input_tokens": 1000,
    "input_tokens_details": {"cached_tokens": 700, "cache_write_tokens": 200},
    "output_tokens": 60,
    "output_tokens_details": {"reasoning_tokens": 40},
    "total_tokens": 1060,
}
ERROR: dict[str, Json] = {"message": "The server had an error.", "type": "server_error", "param": None, "code": None}


def data(payload: Json) -> bytes:
    return f"data: {json.dumps(payload, ensure_ascii=False, separators=(',', ':'))}\n\n".encode()


def named(kind: str, number: int = 0, **fields: Json) -> bytes:
    return f"event: {kind}\n".encode() + data({"type": kind, "sequence_number": number, **fields})


def chunk(
    delta: Json = None, finish_reason: str | None = None, *, index: int = 0, choices: Json = None, **fields: Json
) -> bytes:
    choice: Json = {"index": index, "delta": {} if delta is None else delta, "finish_reason": finish_reason}
    shape: dict[str, Json] = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1780000000,
        "model": "gpt-5-2026",
        "service_tier": "default",
        "choices": [choice] if choices is None else choices,
    }
    return data({**shape, **fields})


def tool(index: int, **fields: Json) -> Json:
    return {"tool_calls": [{"index": index, **fields}]}


def chat() -> list[bytes]:
    """The chunks of a chat with reasoning, text and two tool calls, whose usage was asked for."""
    return [
        chunk({"role": "assistant", "content": "", "refusal": None}, usage=None),
        chunk({"reasoning_content": "Let me "}, usage=None),
        chunk({"reasoning_content": "see."}, usage=None),
        b": PROCESSING\n\n",
        chunk({"content": 'It is "finish_reason":"x" 🦊'}, usage=None),
        chunk({"content": " 日本語"}, usage=None),
        chunk(tool(0, id="call_0", type="function", function={"name": "weather", "arguments": ""}), usage=None),
        chunk(tool(0, function={"arguments": '{"at":'}), usage=None),
        chunk(tool(0, function={"arguments": '"Paris"}'}), usage=None),
        chunk(tool(1, id="call_1", type="function", function={"name": "time", "arguments": ""}), usage=None),
        chunk(tool(1, function={"arguments": "{}"}), usage=None),
        chunk({}, "tool_calls", usage=None),
        chunk(choices=[], usage=CHAT_USAGE),
        DONE,
    ]


def response(status: str = "in_progress", **fields: Json) -> dict[str, Json]:
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1780000000,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": "Be brief.",
        "model": "gpt-5-2026",
        "output": [],
        "service_tier": "auto",
        "tools": [{"type": "function", "name": "weather"}],
        "usage": None,
        **fields,
    }


OUTPUT: list[Json] = [
    {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "Let me see."}]},
    {
        "id": "msg_1",
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": [{"type": "output_text", "annotations": [], "text": "It is 🦊"}],
    },
    {
        "id": "fc_1",
        "type": "function_call",
        "status": "completed",
        "arguments": '{"at":"Paris"}',
        "call_id": "call_1",
        "name": "weather",
    },
]


def events() -> list[bytes]:
    """The events of a response with reasoning, text and a function call."""
    pieces: list[tuple[str, dict[str, Json]]] = [
        ("response.created", {"response": response()}),
        ("response.in_progress", {"response": response()}),
        ("response.output_item.added", {"output_index": 0, "item": {"id": "rs_1", "type": "reasoning", "summary": []}}),
        (
            "response.reasoning_summary_part.added",
            {"output_index": 0, "summary_index": 0, "part": {"type": "summary_text", "text": ""}},
        ),
        ("response.reasoning_summary_text.delta", {"output_index": 0, "summary_index": 0, "delta": "Let me "}),
        ("response.reasoning_summary_text.delta", {"output_index": 0, "summary_index": 0, "delta": "see."}),
        ("response.output_item.done", {"output_index": 0, "item": OUTPUT[0]}),
        (
            "response.output_item.added",
            {"output_index": 1, "item": {"id": "msg_1", "type": "message", "role": "assistant", "content": []}},
        ),
        (
            "response.content_part.added",
            {"output_index": 1, "content_index": 0, "part": {"type": "output_text", "text": ""}},
        ),
        ("response.output_text.delta", {"output_index": 1, "content_index": 0, "delta": "It "}),
        ("response.output_text.delta", {"output_index": 1, "content_index": 0, "delta": "is 🦊"}),
        ("response.output_text.done", {"output_index": 1, "content_index": 0, "text": "It is 🦊"}),
        ("response.output_item.done", {"output_index": 1, "item": OUTPUT[1]}),
        ("response.output_item.added", {"output_index": 2, "item": {**_call(), "arguments": ""}}),
        ("response.function_call_arguments.delta", {"output_index": 2, "delta": '{"at":'}),
        ("response.function_call_arguments.delta", {"output_index": 2, "delta": '"Paris"}'}),
        ("response.output_item.done", {"output_index": 2, "item": OUTPUT[2]}),
        ("response.completed", {"response": finished()}),
    ]
    return [named(kind, number, **fields) for number, (kind, fields) in enumerate(pieces)]


def finished(status: str = "completed", **fields: Json) -> dict[str, Json]:
    return response(status, output=OUTPUT, usage=USAGE, service_tier="default", **fields)


def _call() -> dict[str, Json]:
    call = OUTPUT[2]
    assert isinstance(call, dict)
    return call


def told(usage: Json) -> ResponseFacts:
    """What a chat and a response tell alike, as `usage` says it on the wire."""
    return ResponseFacts(
        model="gpt-5-2026",
        usage=Usage(
            input_tokens=100,
            output_tokens=60,
            cache_read_tokens=700,
            cache_creation_tokens=200,
            reasoning_tokens=40,
            service_tier="default",
            usage_raw=json.dumps(usage, separators=(",", ":")),
        ),
        usage_source=UsageSource.FINAL,
        complete=True,
    )


def rebuilt(pieces: list[bytes], operation: str) -> dict[str, Json] | None:
    """The message that a stream is put together to."""
    return rebuild(b"".join(pieces), streams.STREAM, None, operation=operation, dialect="openai")


def read(pieces: bytes | Iterable[bytes], operation: str, **more: str | int | None) -> ResponseFacts:
    """Read an answer in this dialect; piece number n arrives n + 1 milliseconds after the start."""
    return streams.read(pieces, operation=operation, dialect="openai", **more)  # type: ignore[arg-type]


def read_json(body: Json, operation: str, status: int = 200) -> ResponseFacts:
    return read(json.dumps(body).encode(), operation, content_type="application/json", status=status)
