"""Request bodies are measured without being read."""

from __future__ import annotations

import json
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.reading.facts import PromptFacts
from proxy.reading.jsontext import Json, Unreadable
from proxy.reading.problems import Problems
from proxy.reading.prompt import MAX_USUAL_BYTES, prompt_facts
from tests.reading.test_jsontext import VALUES

IMAGE: Json = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBOR"}}


def facts(body: Json | bytes, *, counted: bool = True) -> tuple[PromptFacts, str | None]:
    problems = Problems()
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return prompt_facts(data, problems, counted=counted), problems.summary()


def test_whole_request_gives_its_facts() -> None:
    body: Json = {
        "model": "claude-sonnet-4-6",
        "max_tokens": 1024,
        "stream": True,
        "system": "a secret prompt",
        "thinking": {"type": "enabled", "budget_tokens": 512},
        "output_config": {"effort": "high", "format": {"type": "json_schema", "schema": {"type": "object"}}},
        "tool_choice": {"type": "tool", "name": "get_weather"},
        "stop_sequences": ["x"],
        "temperature": 0.5,
        "top_k": None,
        "service_tier": "auto",
        "metadata": {"user_id": "u"},
        "tools": [{"name": "a"}, {"name": "b", "content": "?"}],
        "messages": [
            {"role": "user", "content": "hello"},
            {"role": "user", "content": [IMAGE, {"type": "text", "text": "image"}, IMAGE]},
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "t", "content": [IMAGE, {"type": "text", "text": ""}]}
                ],
            },
        ],
    }
    read, problem = facts(body)
    assert problem is None
    assert read.parameters is not None
    assert json.loads(read.parameters) == {
        "max_tokens": 1024,
        "thinking": {"type": "enabled", "budget_tokens": 512},
        "output_config": {"effort": "high", "format": {"type": "json_schema"}},
        "tool_choice": {"type": "tool", "name": "get_weather"},
        "temperature": 0.5,
        "service_tier": "auto",
    }
    assert read == PromptFacts(
        readable=True,
        model="claude-sonnet-4-6",
        stream=True,
        parameters=read.parameters,
        message_count=3,
        tool_count=2,
        image_count=3,
        user_id="u",
    )


def test_chat_is_counted_with_the_images_of_its_parts() -> None:
    image: Json = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    read, problem = facts(
        {
            "model": "gpt-5",
            "n": 2,
            "stream_options": {"include_usage": True},
            "messages": [{"role": "user", "content": [{"type": "text", "text": "x"}, image]}, {"role": "assistant"}],
            "tools": [{"type": "function", "function": {"name": "f"}}],
        }
    )
    assert (read.message_count, read.tool_count, read.image_count, problem) == (2, 1, 1, None)
    assert json.loads(read.parameters or "") == {"n": 2, "stream_options": {"include_usage": True}}


@pytest.mark.parametrize(
    ("given", "messages", "images"),
    [
        ("hello", 1, 0),
        ([], 0, 0),
        ([{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}, {"type": "reasoning"}], 2, 1),
        ([{"type": "function_call_output", "output": [{"type": "input_image"}]}], 1, 1),
        ([{"type": "function_call_output", "output": "text"}], 1, 0),
    ],
)
def test_items_of_a_response_are_counted_as_messages(given: Json, messages: int, images: int) -> None:
    read, problem = facts({"model": "gpt-5", "input": given, "reasoning": {"effort": "low"}})
    assert (read.message_count, read.image_count, problem) == (messages, images, None)
    assert json.loads(read.parameters or "") == {"reasoning": {"effort": "low"}}


def test_lists_of_other_operations_are_not_counted() -> None:
    read, _ = facts({"model": "gpt-5", "messages": [{"role": "user", "content": "x"}]}, counted=False)
    assert read == PromptFacts(readable=True, model="gpt-5")


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"messages": "x"}, "messages: not readable as JSON: Expected `array`, got `str`"),
        ({"messages": [1]}, "messages: not readable as JSON: Expected `object`, got `int` - at `$[0]`"),
        ({"tools": {}}, "tools: not readable as JSON: Expected `array`, got `object`"),
        ({"input": 5}, "input: not readable as JSON: Expected `array`, got `int`"),
        ({"model": 5}, "model is not a name"),
    ],
)
def test_field_of_the_wrong_type_is_a_problem_and_unknown(body: Json, problem: str) -> None:
    read, told = facts(body)
    assert told == problem
    assert None in (read.message_count, read.tool_count, read.model)


def test_content_of_the_wrong_type_has_no_images() -> None:
    content: list[Json] = [5, [5], [{"type": 5}], "text", [IMAGE, "x"], None]
    read, problem = facts({"messages": [{"content": one} for one in content]})
    assert (read.message_count, read.image_count, problem) == (6, 0, None)


def test_parameters_hold_no_content() -> None:
    body: Json = {
        "max_tokens": "x" * 500,
        "thinking": [1],
        "container": {"a": {"b": {"c": 1}}, "k" * 300: 1},
        "top_p": {},
    }
    read, _ = facts(body)
    assert read.parameters is None or "x" * 100 not in read.parameters
    assert json.loads(read.parameters or "{}").keys() <= {"container"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        b"[]",
        b'{"messages": NaN}',
        b'{"messages":' + b"[" * 10**5 + b"]" * 10**5 + b"}",
        b'{"model": ' + b"9" * 10**6 + b"}",
    ],
)
def test_body_that_is_no_json_object_is_refused(body: bytes) -> None:
    """A23"""
    with pytest.raises(Unreadable):
        facts(body)


def test_big_numbers_and_half_emoji_in_skipped_parts_do_no_harm() -> None:
    """A23"""
    read, problem = facts(b'{"model":"m","x":' + b"9" * 10**6 + b',"messages":[{"content":"\\ud83d"}]}')
    assert (read.model, read.message_count, problem) == ("m", 1, None)


def test_large_body_of_empty_objects_is_refused_before_it_takes_memory() -> None:
    body = b'{"messages":[' + b"{}," * 2_000_000 + b"{}]}"
    tracemalloc.start()
    with pytest.raises(Unreadable, match="too many objects"):
        facts(body)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


def test_large_prompt_is_not_copied_into_strings() -> None:
    text = "words and words " * 60_000
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": text}] * 8, "tools": []}).encode()
    tracemalloc.start()
    read, _ = facts(body)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (read.message_count, read.tool_count) == (8, 0)
    assert peak < 100_000


@settings(max_examples=80, deadline=None)
@given(
    st.dictionaries(st.sampled_from(["model", "stream", "messages", "input", "tools", "metadata", "thinking"]), VALUES)
)
def test_any_object_is_read(body: dict[str, Json]) -> None:
    data = json.dumps(body).encode()
    read, _ = facts(data)
    assert read.readable


_TEXT: Json = {"type": "text", "text": "t"}
_RESULT: Json = {"type": "tool_result", "content": [IMAGE, _TEXT]}
_VALUES: list[Json] = [None, "text", [], [_TEXT, IMAGE], [_RESULT, _TEXT], [{"type": 7}], 5, [None]]
_CONTENTS = st.sampled_from(_VALUES)
_MESSAGES = st.lists(st.dictionaries(st.sampled_from(["role", "content", "output"]), _CONTENTS), max_size=4)


@given(st.dictionaries(st.sampled_from(["messages", "input", "tools"]), _MESSAGES | st.none() | st.just("text")))
@settings(max_examples=300)
def test_bodies_of_usual_shape_are_read_in_one_pass_with_the_same_result(body: dict[str, Json]) -> None:
    large = {**body, "padding": "x" * MAX_USUAL_BYTES}
    assert facts(body) == facts(large)
