"""Blocks are put together from their deltas; what is unknown is kept."""

from __future__ import annotations

import pytest

from proxy.reading.anthropic.content import Content
from proxy.reading.jsontext import Json
from proxy.reading.problems import Problems


def built(first: Json, *deltas: Json) -> tuple[list[Json], str | None]:
    problems = Problems()
    content = Content(problems)
    content.start(0, first)
    for delta in deltas:
        content.delta(0, delta)
    return content.blocks(), problems.summary()


@pytest.mark.parametrize(
    ("first", "deltas", "block"),
    [
        (
            {"type": "text", "text": ""},
            [{"type": "text_delta", "text": "a"}, {"type": "text_delta", "text": "b"}],
            {"type": "text", "text": "ab"},
        ),
        (
            {"type": "text", "text": "", "citations": None},
            [{"type": "citations_delta", "citation": {"n": 1}}, {"type": "citations_delta", "citation": {"n": 2}}],
            {"type": "text", "text": "", "citations": [{"n": 1}, {"n": 2}]},
        ),
        (
            {"type": "thinking", "thinking": "", "signature": ""},
            [
                {"type": "thinking_delta", "thinking": "", "estimated_tokens": 5},
                {"type": "thinking_delta", "thinking": "hm"},
                {"type": "signature_delta", "signature": "S"},
            ],
            {"type": "thinking", "thinking": "hm", "signature": "S"},
        ),
        (
            {"type": "tool_use", "id": "toolu_1", "name": "t", "input": {}},
            [
                {"type": "input_json_delta", "partial_json": ""},
                {"type": "input_json_delta", "partial_json": '{"a"'},
                {"type": "input_json_delta", "partial_json": ":1}"},
            ],
            {"type": "tool_use", "id": "toolu_1", "name": "t", "input": {"a": 1}},
        ),
        (
            {"type": "tool_use", "id": "toolu_1", "name": "t", "input": {}},
            [{"type": "input_json_delta", "partial_json": ""}],
            {"type": "tool_use", "id": "toolu_1", "name": "t", "input": {}},
        ),
        (
            {"type": "compaction", "content": None},
            [{"type": "compaction_delta", "content": "sum", "encrypted_content": "E"}],
            {"type": "compaction", "content": "sum", "encrypted_content": "E"},
        ),
        ({"type": "redacted_thinking", "data": "AA"}, [], {"type": "redacted_thinking", "data": "AA"}),
        ({"type": "new_block", "x": [1]}, [], {"type": "new_block", "x": [1]}),
        (
            {"type": "text", "text": "a"},
            [{"type": "new_delta", "y": 1}],
            {"type": "text", "text": "a", "deltas": [{"type": "new_delta", "y": 1}]},
        ),
    ],
)
def test_block_is_joined_from_its_deltas(first: Json, deltas: list[Json], block: Json) -> None:
    assert built(first, *deltas) == ([block], None)


def test_tool_input_cut_off_stays_as_text() -> None:
    blocks, problem = built(
        {"type": "tool_use", "name": "t", "input": {}}, {"type": "input_json_delta", "partial_json": '{"a": "b'}
    )
    assert blocks == [{"type": "tool_use", "name": "t", "input": {}, "partial_json": '{"a": "b'}]
    assert problem == "tool input is not JSON"


def test_delta_without_its_block_makes_one() -> None:
    problems = Problems()
    content = Content(problems)
    content.delta(3, {"type": "text_delta", "text": "a"})
    content.delta(3, {"type": "text_delta", "text": "b"})
    assert content.blocks() == [{"type": "text", "text": "ab"}]
    assert problems.summary() == "a delta without its content block"


def test_block_that_starts_twice_is_a_new_block() -> None:
    problems = Problems()
    content = Content(problems)
    for text in ("a", "b"):
        content.start(0, {"type": "text", "text": ""})
        content.delta(0, {"type": "text_delta", "text": text})
    assert content.blocks() == [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert problems.summary() == "a content block starts twice"


@pytest.mark.parametrize("index", [None, "0", True, 1.5, {}, -1])
def test_index_of_the_wrong_type_means_the_latest_block(index: Json) -> None:
    content = Content(Problems())
    content.start(index, {"type": "text", "text": ""})
    content.delta(index, {"type": "text_delta", "text": "a"})
    assert content.blocks() == [{"type": "text", "text": "a"}]


def test_many_small_deltas_and_citations_are_joined_in_linear_time() -> None:
    content = Content(Problems())
    content.start(0, {"type": "text", "text": ""})
    for _ in range(20_000):
        content.delta(0, {"type": "text_delta", "text": "ab"})
        content.delta(0, {"type": "citations_delta", "citation": None})
    block = content.blocks()[0]
    assert isinstance(block, dict)
    assert block["text"] == "ab" * 20_000
    assert block["citations"] == [None] * 20_000
