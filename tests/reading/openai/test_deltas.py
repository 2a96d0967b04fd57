"""Deltas become one object."""

from __future__ import annotations

import pytest

from proxy.reading.jsontext import Json
from proxy.reading.openai.deltas import MAX_DEPTH, Grown


def grown(*deltas: dict[str, Json]) -> dict[str, Json]:
    made = Grown()
    for delta in deltas:
        made.add(delta)
    return made.value()


def test_texts_are_joined_and_words_replaced() -> None:
    assert grown({"role": "assistant", "content": "a"}, {"role": "assistant", "content": "b"}) == {
        "role": "assistant",
        "content": "ab",
    }


def test_null_and_empty_words_take_nothing_away() -> None:
    assert grown({"id": "x", "content": "a", "n": 1}, {"id": "", "content": None, "n": None}) == {
        "id": "x",
        "content": "a",
        "n": 1,
    }


def test_numbered_elements_grow_in_place_and_others_follow() -> None:
    calls = grown(
        {"calls": [{"index": 1, "id": "b", "function": {"arguments": "{"}}]},
        {"calls": [{"index": 0, "id": "a"}, {"index": 1, "function": {"arguments": "}"}}]},
        {"calls": ["x", 5]},
    )
    assert calls == {"calls": [{"id": "a"}, {"id": "b", "function": {"arguments": "{}"}}, "x", 5]}


@pytest.mark.parametrize("kinds", [("a", 1), (1, "a"), ({"x": 1}, "a"), ([1], {"x": 1}), (True, [])])
def test_fields_that_change_their_type_do_not_raise(kinds: tuple[Json, Json]) -> None:
    assert grown(*({"field": value} for value in kinds)).keys() == {"field"}


def test_deep_objects_are_kept_as_they_came_last() -> None:
    deep: dict[str, Json] = {"leaf": "a"}
    for _ in range(MAX_DEPTH + 2):
        deep = {"inner": deep}
    assert grown(deep, deep) == deep
