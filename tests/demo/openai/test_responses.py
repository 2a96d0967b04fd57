"""Responses of the fake upstream, read by the real SDK."""

from __future__ import annotations

import json

import pytest
from openai.types.responses import FunctionToolParam

from tests.demo.openai.conftest import Client

TOOL: FunctionToolParam = {
    "type": "function",
    "name": "weather",
    "strict": False,
    "parameters": {"type": "object", "properties": {"at": {"type": "string"}}},
}


@pytest.mark.parametrize("scene", ["text", "thinking", "tool", "refusal"])
def test_stream_ends_with_items_like_those_that_are_given_whole(sdk: Client, scene: str) -> None:
    whole = sdk(scene).responses.create(model="gpt-5", input="hello", tools=[TOOL])
    with sdk(scene).responses.stream(model="gpt-5", input="hello", tools=[TOOL]) as stream:
        streamed = stream.get_final_response()
    assert [item.type for item in streamed.output] == [item.type for item in whole.output]
    assert (streamed.status, bool(streamed.output_text)) == ("completed", bool(whole.output_text))
    kinds = {"thinking": "reasoning", "tool": "function_call"}
    assert kinds.get(scene, "message") in {item.type for item in whole.output}
    for made in (whole, streamed):
        assert made.usage is not None
        assert made.usage.output_tokens > 0


def test_arguments_of_a_call_are_json(sdk: Client) -> None:
    made = sdk("tool").responses.create(model="gpt-5", input="hello", tools=[TOOL])
    (call,) = (item for item in made.output if item.type == "function_call")
    assert json.loads(call.arguments).keys() == {"at"}


def test_cut_answer_is_incomplete_and_says_why(sdk: Client) -> None:
    made = sdk("long").responses.create(model="gpt-5", input="hello", max_output_tokens=50)
    assert made.status == "incomplete"
    assert made.incomplete_details is not None
    assert made.incomplete_details.reason == "max_output_tokens"


def test_failure_stands_inside_a_200(sdk: Client) -> None:
    made = sdk("error_midstream").responses.create(model="gpt-5", input="hello")
    assert made.status == "failed"
    assert made.error is not None
    assert made.error.code == "server_error"
