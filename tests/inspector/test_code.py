from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxy.inspector.code import MAX_HIGHLIGHTED, Part, Piece, highlight, listing, prose


def plain(parts: tuple[Part, ...]) -> list[tuple[bool, str]]:
    return [(part.listing, "".join(piece.text for piece in part.pieces)) for part in parts]


def test_a_fence_becomes_a_listing_in_its_language() -> None:
    """S2-37"""
    parts = prose("Look:\n```python\ndef f(): pass\n```\nDone")

    assert plain(parts) == [(False, "Look:"), (True, "def f(): pass"), (False, "Done")]
    assert parts[1].language == "python"
    assert Piece("k", "def") in parts[1].pieces


def test_an_open_fence_runs_to_the_end() -> None:
    assert plain(prose("a\n~~~\nb\nc")) == [(False, "a"), (True, "b\nc")]


def test_nothing_else_of_markdown_is_interpreted() -> None:
    """H4"""
    text = "![x](http://evil.test/a.png) <b>bold</b> [l](javascript:alert(1))"

    assert plain(prose(text)) == [(False, text)]


def test_unknown_languages_and_long_texts_are_plain() -> None:
    assert highlight("x = 1", "brainfuck") == [Piece("", "x = 1")]
    assert highlight("1" * (MAX_HIGHLIGHTED + 1), "json") == [Piece("", "1" * (MAX_HIGHLIGHTED + 1))]


def test_a_last_line_without_its_end_has_its_colour() -> None:
    assert highlight("-old\n+new", "diff") == [Piece("gd", "-old"), Piece("", "\n"), Piece("gi", "+new"), Piece("", "")]


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\r"), max_size=200))
def test_listings_show_every_character(text: str) -> None:
    for language in ("json", "bash", "html", ""):
        assert "".join(piece.text for piece in listing(text, language).pieces).lstrip("\ufeff") == text.lstrip("\ufeff")
