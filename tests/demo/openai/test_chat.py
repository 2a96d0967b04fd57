"""Chat completions of the fake upstream, read by the real SDK."""

from __future__ import annotations

import json

import pytest
from openai.types.chat import ChatCompletionFunctionToolParam, ChatCompletionMessageParam

from tests.demo.openai.conftest import Client

ASKED: list[ChatCompletionMessageParam] = [{"role": "user", "content": "hello"}]
TOOL: ChatCompletionFunctionToolParam = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {"at": {"type": "string"}}}},
}


def test_answer_has_text_and_usage_with_the_cache_inside(sdk: Client) -> None:
    prompt: list[ChatCompletionMessageParam] = [
        {"role": "system", "content": "Be careful. " * 600},
        *ASKED,
        {"role": "assistant", "content": "Hi."},
        {"role": "user", "content": "And now?"},
    ]
    made = sdk("text").chat.completions.create(model="gpt-5", messages=prompt)
    assert made.choices[0].finish_reason == "stop"
    assert made.choices[0].message.content
    assert made.usage is not None
    assert made.usage.prompt_tokens_details is not None
    assert made.usage.prompt_tokens > (made.usage.prompt_tokens_details.cached_tokens or 0) >= 0
    assert made.usage.prompt_tokens > 1_500


@pytest.mark.parametrize("scene", ["tool", "parallel_tools"])
def test_tool_calls_are_the_same_whole_and_streamed(sdk: Client, scene: str) -> None:
    made = sdk(scene).chat.completions.create(model="gpt-5", messages=ASKED, tools=[TOOL])
    calls = made.choices[0].message.tool_calls or []
    assert len(calls) == (1 if scene == "tool" else 3)
    assert made.choices[0].finish_reason == "tool_calls"
    with sdk(scene).chat.completions.stream(model="gpt-5", messages=ASKED, tools=[TOOL]) as stream:
        streamed = stream.get_final_completion().choices[0].message.tool_calls or []
    for call in (*calls, *streamed):
        assert call.type == "function"
        assert json.loads(call.function.arguments).keys() == {"at"}
    assert len(streamed) == len(calls)


@pytest.mark.parametrize("wanted", [True, False])
def test_stream_has_usage_only_if_it_was_asked_for(sdk: Client, wanted: bool) -> None:
    made = sdk("text").chat.completions
    if wanted:
        stream = made.create(model="gpt-5", messages=ASKED, stream=True, stream_options={"include_usage": True})
    else:
        stream = made.create(model="gpt-5", messages=ASKED, stream=True)
    chunks = list(stream)
    assert [chunk.usage is not None for chunk in chunks] == [False] * (len(chunks) - 1) + [wanted]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def test_refusal_is_no_content(sdk: Client) -> None:
    message = sdk("refusal").chat.completions.create(model="gpt-5", messages=ASKED).choices[0].message
    assert (message.content, bool(message.refusal)) == (None, True)
    chunks = sdk("refusal").chat.completions.create(model="gpt-5", messages=ASKED, stream=True)
    assert "".join(chunk.choices[0].delta.refusal or "" for chunk in chunks) == message.refusal
