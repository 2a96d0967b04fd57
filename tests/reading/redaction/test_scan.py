"""The search for secrets: in any place, however big the body, and never for long."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from itertools import pairwise
from re import _parser as parser  # type: ignore[attr-defined]
from time import thread_time

import pytest
from ahocorasick_rs import BytesAhoCorasick
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.reading.redaction import scan
from proxy.reading.redaction.kinds import KINDS, Kind
from proxy.reading.redaction.scan import (
    _BACK,
    LONGEST_S,
    PIECE_BYTES,
    REACH,
    RULE_PIECE_BYTES,
    Found,
    Scanner,
    TooSlow,
    occurs,
)
from tests.kit.secrets import SECRETS

SCANNER = Scanner()

KEY = b"sk-ant-api03-abcdefghij0123456789"


def every_s(seconds: float) -> Iterator[float]:
    now = 0.0
    while True:
        yield now
        now += seconds


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=80), st.sampled_from(sorted(SECRETS)), st.binary(max_size=80))
def test_a_search_ends_well_whatever_the_bytes(before: bytes, name: str, after: bytes) -> None:
    data = before + SECRETS[name].encode()[:-3] + after
    for start, end, rule in SCANNER.find(data):
        assert 0 <= start < end <= len(data)
        assert rule


@pytest.mark.parametrize("at", [PIECE_BYTES - 40, PIECE_BYTES - 5, PIECE_BYTES, 2 * PIECE_BYTES - 3])
def test_a_secret_on_the_edge_of_two_steps_is_found(at: int) -> None:
    data = b" " * at + KEY + b" " * PIECE_BYTES
    assert {(start, end) for start, end, _ in SCANNER.find(data)} == {(at, at + len(KEY))}


@pytest.mark.parametrize("at", [0, RULE_PIECE_BYTES - 20, RULE_PIECE_BYTES - 1, RULE_PIECE_BYTES])
def test_a_rule_of_the_operator_matches_anywhere_and_hides_its_first_group(at: int) -> None:
    scanner = Scanner({"acme": r"\bacme_([a-z0-9]{8,40})\b", "zip": r"zip-\d{5}"})
    data = b" " * at + b"acme_abcdefgh12 zip-12345 acme_short"
    assert scanner.find(data) == [Found(at + 5, at + 15, "acme"), Found(at + 16, at + 25, "zip")]


def test_a_search_that_takes_too_long_is_given_up() -> None:
    """A body that nobody has searched to its end must not be taken for clean."""
    times = every_s(LONGEST_S / 4)
    scanner = Scanner({"acme": "acme_[a-z]{8,40}"}, clock=lambda: next(times))
    assert scanner.find(b"x" * RULE_PIECE_BYTES) == []
    with pytest.raises(TooSlow):
        scanner.find(b"x" * RULE_PIECE_BYTES * 8)


@pytest.mark.parametrize("before", [b'"', b" ", b"=", b"'", b"?key=", b"&api="])
def test_no_anchor_is_hidden_by_another_that_reaches_into_it(before: bytes) -> None:
    """What is found first must not keep what begins inside it from being found."""
    for secret in (KEY, SECRETS["jwt"].encode()):
        data = before + secret + b" "
        assert any(start <= len(before) and end >= len(data) - 1 for start, end, _ in SCANNER.find(data))


@pytest.mark.parametrize("anchor", [b"sk-ant-", b"p://", b"-----BEGIN", b"eyJhaaaaaaaa.", b"wilio ", b'"secret":"'])
def test_text_made_of_anchors_is_searched_in_bounded_time_and_memory(anchor: bytes) -> None:
    data = anchor * (300_000 // len(anchor))
    assert len(SCANNER.find(data)) <= len(data) / 10


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_kind_reaches_only_so_far_or_never_across_a_quote(kind: Kind) -> None:
    """What stands so far before new text, and is divided from it by a quote, need not be looked at again."""
    pattern = kind.pattern.pattern
    if parser.parse(pattern).getwidth()[1] + 128 > REACH:
        classes = re.findall(rb"\[[^\]]+\]|\\w|\\s", pattern)
        assert not [each for each in classes if re.match(each, b'"')]
        assert b'"' not in pattern
        assert not re.search(rb"(?<!\\)\.(?![^\[]*\])", pattern)
    assert kind.before + 2 <= _BACK


def hostile(kind: Kind) -> Iterator[bytes]:
    """Text at each byte of which a pattern begins, and goes on for long, and is nothing in the end."""
    secret = SECRETS.get(kind.name, "").encode()
    for anchor in kind.anchors[:2]:
        yield from (anchor, anchor + b"a" * 7, anchor + b":" * 300, anchor + b"a" * 300 + b".")
    yield from (secret[:-1] or b"x", secret[:-3] + b" " or b"x")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_megabyte_made_to_take_long_is_searched_or_given_up_soon(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "LONGEST_S", 0.05)
    scanner = Scanner(kinds=[kind])
    for part in hostile(kind):
        data, begun = (part * (PIECE_BYTES // len(part) + 1))[:PIECE_BYTES], thread_time()
        with contextlib.suppress(TooSlow):
            scanner.find(data)
        assert thread_time() - begun < 10


def test_a_search_looks_at_the_clock_again_and_again_however_small_the_body() -> None:
    times = every_s(LONGEST_S / 100)
    anchors = b"sk-ant-! " * 64
    assert Scanner(kinds=KINDS[:1], clock=lambda: next(times)).find(anchors * 99) == []
    with pytest.raises(TooSlow):
        Scanner(kinds=KINDS[:1], clock=lambda: next(times)).find(anchors * 103)


def test_only_what_begins_between_the_bounds_is_looked_for() -> None:
    scanner, data = Scanner({"acme": "acme_[a-z]{8,40}"}), KEY + b" acme_abcdefgh " + KEY + b" acme_abcdefgh"
    places = [data.index(b"acme"), data.rindex(b"sk-"), data.rindex(b"acme"), len(data)]
    for low, high in pairwise(places):
        assert {start for start, _, _ in scanner.find(data, low, high)} == {low}
    assert {start for start, _, _ in scanner.find(data, 0, 1)} == {0}


@pytest.mark.parametrize("at", [0, 5, PIECE_BYTES - 3, PIECE_BYTES, 2 * PIECE_BYTES + 7])
@pytest.mark.parametrize("low", [0, 4])
def test_a_word_occurs_wherever_the_pieces_of_a_body_end(low: int, at: int) -> None:
    search = BytesAhoCorasick([b"secret", b"word"])
    data = b"." * at + b"secret" + b"." * (3 * PIECE_BYTES - at)
    assert occurs(search, data, low, len(data), 6) is (at >= low)
    assert not occurs(search, b"." * len(data), low, len(data), 6)
    assert occurs(search, data, low, at + 1, 6) is (at >= low)
