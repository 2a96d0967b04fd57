"""Requests in OpenAI's dialect are told in the shape that answers are composed from."""

from __future__ import annotations

import json

import pytest

from proxy.demo.ask import BadRequestError
from proxy.demo.openai.ask import CHAT, IMAGES, RESPONSES, glance, read, told

CALL = {"name": "weather", "arguments": '{"at": "Paris"}'}


def test_chat_becomes_a_conversation_with_tools() -> None:
    body = told(
        CHAT,
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image_url"}]},
                {"role": "assistant", "content": None, "tool_calls": [{"function": CALL}]},
                {"role": "tool", "tool_call_id": "c", "content": "18"},
            ],
            "tools": [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}],
        },
    )
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
    assert [block["type"] for block in body["messages"][0]["content"]] == ["text", "image"]
    assert body["messages"][1]["content"] == [{"type": "tool_use", "name": "weather", "input": {"at": "Paris"}}]
    assert body["messages"][2]["content"][0]["type"] == "tool_result"
    assert body["tools"] == [{"name": "weather", "input_schema": {"type": "object"}}]


def test_items_become_the_same_conversation() -> None:
    body = told(
        RESPONSES,
        {
            "instructions": "Be brief.",
            "input": ["a", {"type": "function_call", **CALL}, {"type": "function_call_output", "output": "18"}],
        },
    )
    assert body["system"] == ["Be brief."]
    assert sorted(message["role"] for message in body["messages"]) == ["assistant", "user", "user"]


def test_what_shapes_the_answer_is_read() -> None:
    ask = read(CHAT, json.dumps({"model": "m", "messages": ["x"], "max_tokens": 9, "stream": True}).encode(), "")
    assert (ask.model, ask.max_tokens, ask.stream, ask.wants_usage, ask.thinks) == ("m", 9, True, False, False)
    asked = {"model": "m", "messages": ["x"], "stream_options": {"include_usage": True}, "reasoning_effort": "low"}
    ask = read(CHAT, json.dumps(asked).encode(), "")
    assert (ask.wants_usage, ask.thinks) == (True, True)
    assert read(IMAGES, b'{"prompt": "x"}', "").model == "gpt-image-2"


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b'{"model": 5}'])
def test_nonsense_is_refused_unless_a_scene_wants_it(raw: bytes) -> None:
    with pytest.raises(BadRequestError):
        read(CHAT, raw, "")
    assert glance(RESPONSES, raw, "").path == RESPONSES
