"""Where bodies are cut."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.ledger.pieces import cutting
from proxy.ledger.pieces.cutting import MAX_ELEMENTS, MAX_PIECE, MIN_PIECE, cut

LONG = "words and words " * 50
MARK = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
TEXT = {"type": "text", "text": LONG}
USER = {"role": "user", "content": [TEXT]}
TOOL = {"name": "Read", "input_schema": {"type": "object", "properties": {"path": {"description": LONG}}}}
CLAUDE = {
    "model": "claude-opus-4-6",
    "messages": [USER, {"role": "assistant", "content": LONG}, {"role": "user", "content": [TEXT | MARK]}],
    "system": [TEXT | MARK, TEXT | MARK],
    "tools": [TOOL, TOOL | {"name": "Write"} | MARK],
    "stream": True,
}
OPENAI = {"model": "gpt-5", "tools": [TOOL] * 3, "messages": [{"role": "user", "content": LONG}] * 3}
RESPONSES = {"model": "gpt-5", "input": [USER, USER, USER, USER], "tools": [TOOL] * 2}


def compact(body: object) -> bytes:
    """JSON as JavaScript writes it."""
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


def pieces(body: bytes) -> list[list[bytes]]:
    """The pieces of each list."""
    return [[body[start:end] for start, end in section.cores] for section in cut(body)]


@pytest.mark.parametrize("body", [CLAUDE, OPENAI, RESPONSES])
@pytest.mark.parametrize(
    "form", [compact, lambda body: json.dumps(body).encode(), lambda body: json.dumps(body, indent=1).encode()]
)
def test_every_element_is_a_piece_however_the_json_is_written(body: dict[str, object], form: object) -> None:
    lists = [value for value in body.values() if isinstance(value, list)]
    assert callable(form)
    assert [len(each) for each in pieces(form(body))] == [len(each) for each in lists]


def test_the_cache_breakpoint_is_in_no_piece_and_moving_it_changes_none() -> None:
    before = pieces(compact(CLAUDE))
    assert b"cache_control" not in b"".join(each for section in before for each in section)
    moved = {**CLAUDE, "messages": [*CLAUDE["messages"][:2], USER, USER | MARK]}  # type: ignore[index]
    after = pieces(compact(moved))
    assert after[0][:3] == before[0]
    assert after[1:] == before[1:]


def test_breakpoint_inside_an_element_cuts_it() -> None:
    body = compact({"messages": [{"role": "user", "content": [TEXT | MARK, TEXT, TEXT | MARK]}] * 2})
    assert [len(section) for section in pieces(body)] == [4]


def test_neighbours_too_small_for_a_piece_become_one() -> None:
    body = compact({"messages": [{"role": "user", "content": "short"}] * 400})
    sizes = [len(piece) for section in pieces(body) for piece in section]
    assert min(sizes[:-1]) >= MIN_PIECE - 10
    assert max(sizes) < MIN_PIECE + 100


def test_long_strings_are_pieces_too() -> None:
    body = compact({"system": LONG * 9, "messages": [USER]})
    assert pieces(body)[0] == [(LONG * 9).encode()]


def test_an_element_of_many_megabytes_is_cut_into_pieces_of_bounded_size() -> None:
    body = compact({"messages": [{"role": "user", "content": "x" * (3 * MAX_PIECE)}]})
    (section,) = pieces(body)
    assert [len(piece) <= MAX_PIECE for piece in section] == [True] * 4


@pytest.mark.parametrize(
    "body",
    [
        b"{" + b" " * 9000 + b"}",
        b"x" * 9000,
        compact({"model": LONG * 9, "messages": "none"}),
        compact([CLAUDE]),
        compact({"input": [LONG] * 10}),
        compact({"input": list(range(9000))}),
        compact({"messages": [{}] * (MAX_ELEMENTS + 1)}),
        b'{"messages":[' + b"{}," * 500_000 + b"{}]}",
        b'{"messages":[' + b'{"a":' * 3000 + b"1" + b"}" * 3000 + b"]}",
        compact(CLAUDE)[:-10],
        b'{"messages":[' + compact(USER) + b" " * 1000 + b"," + compact(USER) + b"]}" + b" " * 4000,
        compact(CLAUDE).replace(b"words", b"\\ud800\xff"),
    ],
)
def test_what_is_shaped_strangely_stays_whole_or_is_cut_somewhere(body: bytes) -> None:
    assert all(end > start for section in cut(body) for start, end in section.cores)
    assert len(cut(body)) <= 1


@given(st.recursive(st.text() | st.booleans(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_pieces_lie_in_order_and_never_overlap(value: object) -> None:
    body = compact({"messages": [{"content": value, **MARK}, USER, {"x": value}], "tools": [{"y": value}] * 30})
    ends = [place for section in cut(body + b" " * 4096) for core in section.cores for place in core]
    assert ends == sorted(ends)


def test_a_list_that_repeats_what_stands_before_it_is_found_or_left() -> None:
    messages = compact([USER] * 3)
    body = b'{"copy":' + messages + b',"more":' + messages * 1 + b',"messages":' + messages + b"}"
    assert len(cut(body)) == 1


def test_what_was_added_is_whole_elements_or_nothing() -> None:
    body = compact([USER, USER])
    second = body.index(b"{", len(compact([USER])) - 1)
    assert [body[start:end] for start, end in cutting.added(body, second, len(body) - 1) or ()] == [compact(USER)[:-3]]
    assert cutting.added(body, second, len(body) - 9) is None
    assert cutting.next_element(body, second - 4, len(body)) == second
    assert cutting.next_element(body, 3, len(body)) is None
    assert cutting.beyond(b"[%s" % body, second) == []
