"""What a body consists of, and what is known of it from the turn before."""

from __future__ import annotations

import json

import pytest

from proxy.ledger.pieces.recipe import MAX_REMEMBERED, Recent, Recipe
from tests.ledger.pieces.test_cutting import CLAUDE, LONG, MARK, TEXT, USER, compact


def remembered(recent: Recent, body: bytes) -> Recipe:
    """The recipe of a body that is then stored, with numbers for its places."""
    recipe = recent.recipe(body)
    assert recipe is not None
    assert whole(recipe) == body
    fresh = recipe.fresh
    recipe.placed = [nodes + [7] * len(links) for nodes, links in zip(recipe.nodes, fresh, strict=True)]
    assert [len(nodes) for nodes in recipe.placed[1:]] == [len(section.cores) for section in recipe.sections]
    recent.remember(recipe)
    recipe.fresh = fresh
    return recipe


def whole(recipe: Recipe) -> bytes:
    """A recipe followed by somebody who knows all of its pieces, each with what stands before it."""
    unknown = Recipe(recipe.body, recipe.sections, [[] for _ in recipe.nodes])
    unknown.find_fresh()
    sizes, frame = unknown.fresh[0][0][:2]
    made, place = [], 0
    for size, links in zip(map(int, sizes.split(b",")), [*unknown.fresh[1:], []], strict=True):
        made += [frame[place : place + size], *(part for link in links for part in link[:2])]
        place += size
    return b"".join(made)


def fresh(recipe: Recipe) -> int:
    """How many pieces are not known."""
    return sum(len(links) for links in recipe.fresh)


def turn(number: int, **changed: object) -> bytes:
    """A turn of a conversation, `messages` first as Claude Code sends them, the breakpoint on the last."""
    said = [{"role": "user", "content": [TEXT | {"text": f"{place} {LONG}"}]} for place in range(number)]
    said[-1] = {"role": "user", "content": [TEXT | {"text": f"{number - 1} {LONG}"} | MARK]}
    return compact({**CLAUDE, "messages": said, **changed})


def test_first_turn_is_all_new_and_the_next_only_its_last_message() -> None:
    recent = Recent()
    assert fresh(remembered(recent, turn(9))) == 1 + 9 + 2 + 2
    assert [fresh(remembered(recent, turn(number))) for number in (10, 11, 14)] == [1, 1, 3]


@pytest.mark.parametrize("first", ["system", "tools", "model"])
def test_lists_before_the_messages_are_known_too(first: str) -> None:
    recent = Recent()
    for number, new in ((5, 10), (6, 1), (7, 1)):
        body = json.loads(turn(number))
        assert fresh(remembered(recent, compact({first: body[first], **body}))) == new


def test_what_changes_behind_the_messages_is_new_and_nothing_else() -> None:
    recent = Recent()
    remembered(recent, turn(9))
    assert fresh(remembered(recent, turn(10, system=[TEXT | {"text": "other" + LONG}, TEXT]))) == 1 + 1 + 2
    assert fresh(remembered(recent, turn(11, stream=False))) == 1 + 1 + 2
    assert fresh(remembered(recent, turn(12))) == 3  # the turn with the same end is preferred, three messages ago


def test_a_breakpoint_that_stays_with_an_older_message_does_no_harm() -> None:
    recent = Recent()
    old = json.loads(turn(9))["messages"]
    remembered(recent, turn(9))
    assert fresh(remembered(recent, turn(10, messages=[*old, USER, USER | {"content": [TEXT | MARK]}]))) <= 3


def test_message_that_grows_instead_of_being_followed_is_cut_anew() -> None:
    recent = Recent()
    remembered(recent, turn(9))
    messages = json.loads(turn(9))["messages"]
    messages[-1]["content"] = [TEXT | {"text": f"8 {LONG}"}, {"type": "text", "text": "[interrupted]"}]
    assert fresh(remembered(recent, turn(9, messages=messages))) <= 3


def test_changed_beginning_is_another_conversation() -> None:
    recent = Recent()
    remembered(recent, turn(9))
    assert fresh(remembered(recent, turn(10).replace(b"0 words", b"1 words", 1))) >= 10


def test_body_without_lists_is_cut_by_size_when_large() -> None:
    recent = Recent()
    assert recent.recipe(b"x" * 100_000) is None
    large = remembered(recent, bytes(range(256)) * 10_000)
    assert [len(links) for links in large.fresh] == [1, 3]
    strange = remembered(recent, compact({"unknown": "x" * 2_000_000, "messages": [USER] * 9}))
    assert [len(links) for links in strange.fresh] == [1, 2]


def test_forgetting_makes_all_new() -> None:
    recent = Recent()
    remembered(recent, turn(9))
    recipe = recent.recipe(turn(10))
    assert recipe is not None
    recipe.forget()
    assert fresh(recipe) == 1 + 10 + 2 + 2


def test_memory_is_bounded() -> None:
    recent = Recent()
    for number in range(60):
        remembered(recent, turn(2, messages=[USER | {"name": f"{number}"}, USER], system=f"{number} {LONG * 900}"))
    kept = recent._kept
    assert 5 < len(kept) <= 32
    assert sum(len(each.body) for each in kept) <= MAX_REMEMBERED
    assert all(each.replaces is None and not each.packed for each in kept)
