"""Filler text."""

from __future__ import annotations

from proxy.demo import prose
from proxy.demo.chance import seeded
from proxy.demo.weight import text_tokens


def test_listing_has_as_many_numbered_lines_as_asked_for() -> None:
    lines = prose.listing("/a/b.py", 120).split("\n")
    assert len(lines) == 120
    assert lines[0] == '     1\t"""b.py: what its name says."""'
    assert lines[-1].startswith("   120\t")


def test_listing_belongs_to_its_path() -> None:
    assert prose.listing("/a", 40) == prose.listing("/a", 40) != prose.listing("/b", 40)


def test_manual_grows_with_its_sections() -> None:
    one, nine = (text_tokens(prose.manual(seeded(1), sections)) for sections in (1, 9))
    assert 500 < one < 1_000
    assert 8 * one < nine < 10 * one


def test_examples_name_their_tool() -> None:
    examples = prose.examples("Grep", 7).split("\n")
    assert len(examples) == 7
    assert all("Grep" in example for example in examples)
