"""Readers of OpenAI-compatible answers, under the same rules."""

from __future__ import annotations

from tests.fuzz.targets.anthropic import facts_hold

OPERATIONS = ("chat", "responses", "embeddings", "images", "other")
TOKENS = (
    b"data: ",
    b"data: [DONE]\n\n",
    b"\n\n",
    b"event: response.created\n",
    b"event: response.completed\n",
    b"event: error\n",
    b'{"id":"a","object":"chat.completion.chunk","model":"gpt-5","choices":[',
    b'{"index":0,"delta":{"content":"a"}}',
    b'{"index":0,"delta":{},"finish_reason":"stop"}',
    b'"tool_calls":[{"index":0,"id":"a","function":{"name":"b","arguments":"{"}}]',
    b'"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}',
    b'"prompt_tokens_details":{"cached_tokens":1}',
    b'{"type":"response.completed","response":',
    b'"usage":{"input_tokens":1,"output_tokens":2}',
    b'{"error":{"message":"a","type":"b"}}',
    b'{"type":"response.output_text.delta","delta":"a"}',
    b'{"type":"response.failed","response":{"error":{"code":"a"}}}',
    b'"status":',
    b'"incomplete"',
    b"-1",
    b"1e999",
    b"9223372036854775808",
    b"null",
    b"true",
    b"[]",
    b"{}",
    b'"a"',
    b'"\\ud800"',
    b"}",
    b"{",
    b"]",
    b"[",
    b",",
    b":",
    b'"output":[',
    b'{"type":"message","content":[{"type":"output_text","text":"a"}]}',
    b'"data":[{"embedding":[0.1]}]',
)


def check(data: bytes) -> None:
    """The first byte says what is asked, the second what is answered."""
    facts_hold(data, "openai", OPERATIONS)
