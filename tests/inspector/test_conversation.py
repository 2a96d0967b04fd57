from __future__ import annotations

from typing import Any

from hypothesis import given

from proxy.inspector.blocks import MAX_BLOCKS
from proxy.inspector.conversation import MAX_PARAMETERS, MAX_SECTION, OPEN_MESSAGES, answer, conversation, parsed
from tests.inspector.conftest import REQUEST
from tests.inspector.test_blocks import ANYTHING


def test_a_request_falls_into_its_sections() -> None:
    """S0-19 … S0-23"""
    seen = conversation(REQUEST)

    assert seen.parameters == (
        ("model", "claude-sonnet-4-5"),
        ("max_tokens", "32000"),
        ("stream", "true"),
        ("thinking", '{"type": "enabled", "budget_tokens": 16000}'),
    )
    assert (len(seen.system), seen.system_characters, seen.system[0].tags) == (1, 14, ("cache 1h",))
    assert [(tool.name, tool.description, tool.kind) for tool in seen.tools] == [
        ("get_weather", "Tells the weather.", "")
    ]
    assert [(message.number, message.role) for message in seen.messages] == [(1, "user"), (2, "assistant"), (3, "user")]
    assert [block.kind for block in seen.messages[1].blocks] == ["thinking", "tool-use"]


def test_only_the_newest_messages_start_open() -> None:
    messages = [{"role": "user", "content": f"message {number}"} for number in range(20)]

    seen = conversation({"messages": messages}).messages

    assert [message.open for message in seen] == [False] * (20 - OPEN_MESSAGES) + [True] * OPEN_MESSAGES
    assert seen[0].preview == "message 0"


def test_what_is_too_much_is_cut_from_the_oldest_messages() -> None:
    messages = [{"role": "user", "content": "x" * 19_000} for _ in range(40)]

    seen = conversation({"messages": messages}).messages

    assert seen[-1].blocks[0].cut == 0
    assert seen[0].blocks[0].cut == 19_000
    assert sum(block.characters - block.cut for message in seen for block in message.blocks) == MAX_SECTION


def test_tools_of_the_provider_and_of_other_dialects_have_names_and_schemas() -> None:
    tools = [
        {"type": "web_search_20250305", "name": "web_search", "max_uses": 5},
        {"type": "function", "function": {"name": "run", "description": "d", "parameters": {"type": "object"}}},
        "nonsense",
    ]

    seen = conversation({"tools": tools}).tools

    assert [(tool.name, tool.kind, tool.schema is None) for tool in seen] == [
        ("web_search", "web_search_20250305", False),
        ("run", "", False),
        ("tool", "", True),
    ]


def test_fields_of_other_dialects_are_not_hidden() -> None:
    message = {"role": "assistant", "content": None, "strange_field": [{"id": "c1"}]}

    (seen,) = conversation({"messages": [message]}).messages

    assert "strange_field" in "".join(piece.text for part in seen.blocks[0].parts for piece in part.pieces)


def test_half_surrogates_and_nonsense_can_be_parsed_or_are_none() -> None:
    assert parsed(b'{"a": "\\ud83d"}') == {"a": "\ud83d"}
    assert parsed(b"[" * 100_000) is None
    assert parsed(b"\xff") is None
    assert parsed(b"{") is None


@given(ANYTHING)
def test_any_shape_is_a_conversation_and_an_answer(value: Any) -> None:
    request = {"system": value, "tools": value, "messages": value, "stop": value}

    assert conversation(request).messages is not None
    assert conversation({"input": value, "instructions": value}).messages is not None
    for field in ("content", "choices", "output", "data"):
        assert (answer({field: value}) is None) is not isinstance(value, list)


def test_alternatives_of_an_answer_stand_apart() -> None:
    message = {
        "choices": [
            {"index": 0, "message": {"content": "a"}, "finish_reason": "stop"},
            {"index": 1, "message": {"content": "b"}, "finish_reason": "length"},
        ]
    }

    seen = answer(message)

    assert seen is not None
    assert [(one.label, one.tags, len(one.children)) for one in seen] == [
        ("choice 1", ("stop",), 1),
        ("choice 2", ("length",), 1),
    ]


def test_shape_without_an_answer_has_none() -> None:
    assert answer({"id": "x"}) is None


def test_a_hundred_thousand_of_anything_are_a_few_and_how_many_more() -> None:
    """Every block is a piece of HTML however short it is: the page of such a body would take half a minute."""
    many: list[Any] = [{"type": "text", "text": "x"}] * 100_000
    request = {
        "system": many,
        "tools": [{"name": "t"}] * 100_000,
        "messages": [{"role": "user", "content": "x"}] * 100_000,
        **{f"k{number}": 1 for number in range(100_000)},
    }
    shown = conversation(request)
    assert [block.label for block in shown.system[MAX_BLOCKS:]] == ["97,000 more blocks are not shown"]
    assert [tool.name for tool in shown.tools[MAX_BLOCKS:]] == ["97,000 more tools are not shown"]
    assert len(shown.messages) == MAX_BLOCKS + 1
    assert shown.messages[0].blocks[0].label == "97,000 more messages are not shown"
    assert len(shown.parameters) == MAX_PARAMETERS + 1
    assert len(answer({"content": many}) or ()) == MAX_BLOCKS + 1
    assert len(answer({"choices": [{"message": {"content": "x"}}] * 100_000}) or ()) <= MAX_BLOCKS
