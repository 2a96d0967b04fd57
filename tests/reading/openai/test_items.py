"""Output items grow from events, whatever is missing of them."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.reading.jsontext import Json
from proxy.reading.openai.items import MAX_ITEMS, Items
from tests.reading.test_jsontext import VALUES


def output(*events: tuple[str, Mapping[str, Json]]) -> list[Json]:
    items = Items()
    for kind, payload in events:
        items.change(f"response.{kind}", dict(payload))
    return items.output()


@pytest.mark.parametrize(
    ("kind", "payload", "item"),
    [
        ("output_text.delta", {"content_index": 1}, {"content": [{"type": "output_text", "text": "ab"}]}),
        ("refusal.delta", {"content_index": 0}, {"content": [{"type": "refusal", "refusal": "ab"}]}),
        ("reasoning_summary_text.delta", {"summary_index": 0}, {"summary": [{"type": "summary_text", "text": "ab"}]}),
        ("function_call_arguments.delta", {}, {"arguments": "ab"}),
        ("custom_tool_call_input.delta", {}, {"input": "ab"}),
        ("code_interpreter_call_code.delta", {}, {"code": "ab"}),
    ],
)
def test_item_whose_beginning_is_missing_is_made_of_its_deltas(kind: str, payload: dict[str, Json], item: Json) -> None:
    deltas: list[tuple[str, dict[str, Json]]] = [
        (kind, {"output_index": 0, **payload, "delta": piece}) for piece in "ab"
    ]
    assert output(*deltas) == [item]


def test_item_that_is_done_stands_as_it_is_said() -> None:
    done: Json = {"type": "function_call", "arguments": "{}"}
    assert output(
        ("output_item.added", {"output_index": 3, "item": {"type": "function_call", "arguments": ""}}),
        ("function_call_arguments.delta", {"output_index": 3, "delta": "{"}),
        ("output_item.done", {"output_index": 3, "item": done}),
    ) == [done]


def test_reasoning_text_is_told_from_output_text() -> None:
    assert output(
        ("output_item.added", {"output_index": 0, "item": {"type": "reasoning"}}),
        ("reasoning_text.delta", {"output_index": 0, "content_index": 0, "delta": "a"}),
    ) == [{"type": "reasoning", "content": [{"type": "reasoning_text", "text": "a"}]}]


def test_items_without_end_are_bounded() -> None:
    items = Items()
    for place in range(MAX_ITEMS + 10):
        items.change("response.output_item.added", {"output_index": place, "item": {}})
    assert len(items.output()) == MAX_ITEMS


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_values_never_raise(data: st.DataObject) -> None:
    """D4"""
    kinds = ("output_item.added", "output_item.done", "content_part.added", "output_text.delta", "refusal.delta", "x")
    fields = ("output_index", "content_index", "item", "part", "delta", "text")
    odd: list[Json] = [0, 1, "a", {"text": 5}, {"content": 5, "refusal": []}]
    values = st.sampled_from(odd) | VALUES
    events = data.draw(
        st.lists(st.tuples(st.sampled_from(kinds), st.dictionaries(st.sampled_from(fields), values)), max_size=8)
    )
    output(*events)
