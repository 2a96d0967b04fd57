"""OpenAI's shapes are told in the blocks that Anthropic's have."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from proxy.inspector.blocks import Block
from proxy.inspector.conversation import answer, conversation
from proxy.inspector.openai import choices, told
from tests.inspector.test_blocks import ANYTHING

PNG = "iVBORw0KGgo="
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"at": "Paris"}'}}


def shown(block: Block) -> str:
    return "".join(piece.text for part in block.parts for piece in part.pieces)


def only(message: Any) -> tuple[Block, ...]:
    (seen,) = conversation({"messages": [message]}).messages
    return seen.blocks


def item(value: Any) -> tuple[str, tuple[Block, ...]]:
    (seen,) = conversation({"input": [value]}).messages
    return seen.role, seen.blocks


def test_chat_has_roles_thoughts_calls_and_results() -> None:
    seen = conversation(
        {
            "model": "gpt-5",
            "messages": [
                {"role": "developer", "content": "Be brief."},
                {"role": "user", "content": [{"type": "text", "text": "Weather?"}]},
                {"role": "assistant", "content": None, "reasoning_content": "Hm.", "tool_calls": [CALL]},
                {"role": "tool", "tool_call_id": "call_1", "content": "18 °C"},
            ],
        }
    )

    assert [message.role for message in seen.messages] == ["developer", "user", "assistant", "tool"]
    assert [[block.kind for block in message.blocks] for message in seen.messages] == [
        ["text"],
        ["text"],
        ["thinking", "tool-use"],
        ["tool-result"],
    ]
    call, result = seen.messages[2].blocks[1], seen.messages[3].blocks[0]
    assert (call.name, call.id, shown(call)) == ("weather", "call_1", '{\n  "at": "Paris"\n}')
    assert (result.id, shown(result.children[0])) == ("call_1", "18 °C")
    assert seen.messages[2].preview == "Hm."


def test_request_of_a_response_has_instructions_and_items() -> None:
    seen = conversation(
        {
            "model": "gpt-5",
            "instructions": "Be brief.",
            "tools": [{"type": "function", "name": "weather", "description": "d", "parameters": {"type": "object"}}],
            "input": [
                {"role": "user", "content": [{"type": "input_text", "text": "Weather?"}]},
                {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}], "encrypted_content": "x"},
                {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": '{"at": "Paris"}'},
                {"type": "function_call_output", "call_id": "call_1", "output": "18 °C"},
                {"type": "item_reference", "id": "rs_1"},
            ],
            "reasoning": {"effort": "low"},
        }
    )

    assert seen.parameters == (("model", "gpt-5"), ("reasoning", '{"effort": "low"}'))
    assert [shown(block) for block in seen.system] == ["Be brief."]
    assert [(tool.name, tool.description) for tool in seen.tools] == [("weather", "d")]
    assert [(message.role, message.blocks[0].kind) for message in seen.messages] == [
        ("user", "text"),
        ("assistant", "thinking"),
        ("assistant", "tool-use"),
        ("tool", "tool-result"),
        ("assistant", "other"),
    ]


@pytest.mark.parametrize(
    ("request_body", "texts"),
    [
        ({"input": "hello"}, ["hello"]),
        ({"input": ["one", "two"]}, ["one", "two"]),
        ({"prompt": "A red square"}, ["A red square"]),
    ],
)
def test_plain_input_is_what_the_user_says(request_body: dict[str, Any], texts: list[str]) -> None:
    seen = conversation(request_body).messages
    assert [(message.role, shown(message.blocks[0])) for message in seen] == [("user", text) for text in texts]


def test_numbers_to_embed_are_one_message() -> None:
    (seen,) = conversation({"input": [1, 2, 3]}).messages
    assert "".join(shown(seen.blocks[0]).split()) == "[1,2,3]"


@pytest.mark.parametrize(
    ("part", "label", "name", "tags"),
    [
        (
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
            "image",
            "",
            "image/png base64 9 B",
        ),
        ({"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"}, "image", "", "image/png base64 9 B"),
        ({"type": "input_image", "image_url": "https://x.test/a.png"}, "image", "", "url https://x.test/a.png"),
        ({"type": "input_image", "file_id": "file-1"}, "image", "", "file file-1"),
        ({"type": "input_file", "filename": "a.pdf", "file_data": PNG * 10}, "document", "a.pdf", "base64 90 B"),
        ({"type": "file", "file": {"filename": "a.pdf", "file_id": "file-1"}}, "document", "a.pdf", "file file-1"),
        ({"type": "input_audio", "input_audio": {"data": PNG, "format": "wav"}}, "audio", "", "wav base64 9 B"),
    ],
)
def test_media_are_placeholders(part: dict[str, Any], label: str, name: str, tags: str) -> None:
    (block,) = only({"role": "user", "content": [part]})
    assert (block.kind, block.label, block.name, " ".join(block.tags)) == ("media", label, name, tags)
    assert PNG not in shown(block)


def test_refusals_and_broken_arguments_are_shown_as_they_are() -> None:
    refused, called = only(
        {"role": "assistant", "refusal": "I cannot", "tool_calls": [{"function": {"name": "f", "arguments": '{"a'}}]}
    )
    assert (refused.tags, shown(refused)) == (("refusal",), "I cannot")
    assert (called.name, shown(called)) == ("f", '{"a')


def test_fields_without_a_form_of_their_own_are_not_hidden() -> None:
    assert "strange" in shown(only({"role": "assistant", "refusal": "no", "strange": 1})[-1])
    assert "queries" in shown(item({"type": "file_search_call", "queries": ["x"]})[1][0])


def test_answer_of_a_response_is_its_items() -> None:
    seen = answer(
        {
            "output": [
                {"type": "reasoning", "summary": [], "encrypted_content": "abc"},
                {"type": "message", "content": [{"type": "output_text", "text": "Hi", "annotations": [{"url": "u"}]}]},
                {"type": "custom_tool_call", "call_id": "c", "name": "shell", "input": "ls"},
                {"type": "image_generation_call", "result": PNG},
                {"type": "web_search_call", "status": "completed"},
            ]
        }
    )
    assert seen is not None
    assert [block.kind for block in seen] == ["thinking", "text", "tool-use", "media", "other"]
    assert "3 characters encrypted" in seen[0].tags[0]
    assert (seen[1].children[0].label, shown(seen[2])) == ("1 citations", "ls")


def test_answer_with_images_hides_their_bytes() -> None:
    seen = answer({"data": [{"b64_json": PNG, "revised_prompt": "A square"}, {"url": "https://x.test/a.png"}]})
    assert seen is not None
    assert [(block.kind, block.name) for block in seen] == [("media", "A square"), ("media", "")]


def test_anthropics_shape_stays_as_it_is() -> None:
    request = {"messages": [{"role": "user", "content": [{"type": "text", "text": "a", "cache_control": {}}]}]}
    assert told(request) == request
    assert choices({"content": []}) is None


@given(ANYTHING)
def test_any_shape_is_told(value: Any) -> None:
    """Captured JSON may be anything."""
    for field in ("content", "refusal", "tool_calls", "function_call", "tool_call_id", "audio", "type", "output"):
        for one in ({field: value}, {"type": "function_call_output", field: value}, {"type": "file", field: value}):
            conversation({"messages": [one]})
            conversation({"input": [one]})
            answer({"output": [one], "choices": [{"message": one}]})
    answer({"data": [value, {"b64_json": value}, {"url": value}]})
