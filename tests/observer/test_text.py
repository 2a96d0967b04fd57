"""Text from outside: valid and bounded."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxy.observer.text import clipped, printable


@given(st.text(st.characters()), st.integers(16, 200))
def test_text_is_valid_and_never_longer_than_allowed(text: str, most: int) -> None:
    assert len(clipped(text, most).encode("utf-8")) <= most


def test_what_fits_stays_as_it_is() -> None:
    assert clipped("héllo") == "héllo"
    assert clipped("a" * 1024) == "a" * 1024


def test_a_cut_is_marked_and_between_characters() -> None:
    assert clipped("ö" * 600) == "ö" * 510 + "…"


def test_lone_surrogates_are_replaced() -> None:
    assert clipped("a\ud800b") == "a?b"


@given(st.text(st.characters()))
def test_printable_text_cannot_steer_a_terminal(text: str) -> None:
    """H15"""
    assert printable(text).isprintable()
