from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.inspector.blocks import LONG_TEXT, MAX_TEXT, Block, Budget, block, blocks


def shown(made: Block) -> str:
    return "".join(piece.text for part in made.parts for piece in part.pieces)


def test_thinking_is_labelled_and_its_signature_left_out() -> None:
    """S0-25"""
    made = block({"type": "thinking", "thinking": "hmm", "signature": "Eq" * 500}, Budget(1000))

    assert (made.kind, made.label, shown(made)) == ("thinking", "thinking", "hmm")


def test_hidden_thinking_says_that_it_is_hidden() -> None:
    made = block({"type": "redacted_thinking", "data": "x" * 400}, Budget(1000))

    assert made.tags == ("not shown by the model, 400 characters encrypted",)
    assert block({"type": "thinking", "thinking": ""}, Budget(1000)).tags == ("nothing arrived",)


@pytest.mark.parametrize(
    ("kind", "label"),
    [("tool_use", "tool call"), ("server_tool_use", "server tool call"), ("mcp_tool_use", "MCP tool call")],
)
def test_tool_calls_show_their_input_as_json(kind: str, label: str) -> None:
    """S2-35"""
    made = block({"type": kind, "id": "t1", "name": "run", "input": {"x": "é"}}, Budget(1000))

    assert (made.label, made.name, made.id, shown(made)) == (label, "run", "t1", '{\n  "x": "é"\n}')


def test_tool_results_hold_their_blocks_and_mark_errors() -> None:
    content = [{"type": "text", "text": "no"}, {"type": "image", "source": {"type": "url", "url": "http://a.test/b"}}]
    made = block({"type": "tool_result", "tool_use_id": "t1", "is_error": True, "content": content}, Budget(1000))

    assert (made.label, made.id, made.tags) == ("tool result", "t1", ("error",))
    assert [child.kind for child in made.children] == ["text", "media"]


def test_images_are_placeholders() -> None:
    source = {"type": "base64", "media_type": "image/png", "data": "A" * 4000}
    made = block({"type": "image", "source": source}, Budget(1000))

    assert (made.kind, made.parts, made.tags) == ("media", (), ("image/png", "base64", "3 kB"))


def test_cache_breakpoints_are_tags() -> None:
    """S0-31"""
    five = block({"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}, Budget(10))
    hour = block({"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}}, Budget(10))

    assert (five.tags, hour.tags) == (("cache 5m",), ("cache 1h",))


def test_long_results_start_collapsed_behind_their_first_line() -> None:
    made = block({"type": "tool_result", "content": "\nfirst\n" + "x" * LONG_TEXT}, Budget(10_000))

    assert (made.collapsed, made.preview) == (True, "first")


def test_texts_are_cut_by_length_and_by_what_the_page_may_still_show() -> None:
    one = block({"type": "text", "text": "x" * (MAX_TEXT + 5)}, Budget(10**6))
    two = block({"type": "text", "text": "x" * 10}, Budget(4))

    assert (one.cut, two.cut, shown(two)) == (5, 6, "xxxx")


def test_unknown_types_are_shown_as_json() -> None:
    made = block({"type": "hologram", "data": [1]}, Budget(1000))

    assert (made.kind, made.label) == ("other", "hologram")
    assert '"hologram"' in shown(made)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "text", "content", "source", "input", "thinking", "citations", "cache_control", "z"]
            ),
            inner | st.sampled_from(["text", "thinking", "tool_use", "tool_result", "image", "document"]),
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(ANYTHING)
def test_any_shape_is_shown(value: Any) -> None:
    assert isinstance(blocks(value, Budget(500)), tuple)
