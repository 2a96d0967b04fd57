"""Patterns of the operator's rules: the good are taken, those that could run for years are refused."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.settings.patterns import LONGEST, mistake

GOOD = [
    r"acme_[A-Za-z0-9]{20,40}",
    r"\bproj-[a-z]{3,20}-[0-9]{8,16}\b",
    r"(?i)secret-\d{6}",
    r"(?:live|test)_(?P<key>[0-9a-f]{64})",
    r"(?<=key: )[A-Z]{8}(?![A-Z])",
    r"(?>ab{1,9})cdef",
    r"x[0-9]{2,9}+yz",
]
BAD = {
    r"a*bcde": "no upper bound",
    r"(a+)+bcde": "no upper bound",
    r"abcd{2,}": "no upper bound",
    r"(?:a|a){30}b": "too many ways",
    r"(a?){30}a{30}": "too many ways",
    r"\w{1,100}\w{1,100}x": "too many ways",
    r"(((a?){9}){9}){9}bcde": "too many ways",
    r"[a-z]{2000}": f"more than {LONGEST} characters",
    r"abc": "less than 4 characters",
    r"(?:abcd|x)": "less than 4 characters",
    r"(foo)-\1abc": "refers back",
    r"(a)?bcd(?(1)e|f)": "refers back",
    r"^abcd": "matches anywhere",
    r"abcd$": "matches anywhere",
    r"(": "no regular expression",
    r"abcd{4,2}": "no regular expression",
    r"(?u)abcd": "no regular expression",
    "grün{4}": "beyond ASCII",
    "(" * 10_000 + ")" * 10_000: "no regular expression",
}


@pytest.mark.parametrize("pattern", GOOD)
def test_a_bounded_pattern_is_taken(pattern: str) -> None:
    assert mistake(pattern) is None


@pytest.mark.parametrize(("pattern", "why"), BAD.items(), ids=[pattern[:20] for pattern in BAD])
def test_a_pattern_that_is_wrong_or_unbounded_is_refused_with_the_reason(pattern: str, why: str) -> None:
    found = mistake(pattern)
    assert found is not None
    assert why in found


PARTS = st.recursive(
    st.sampled_from(["a", "b", "[ab]", ".", r"\w", r"\b"]),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda two: f"(?:{two[0]}|{two[1]})"),
        st.tuples(inner, st.integers(0, 4), st.integers(0, 40)).map(
            lambda it: f"(?:{it[0]}){{{it[1]},{it[1] + it[2]}}}"
        ),
    ),
    max_leaves=8,
)


@given(PARTS, st.text("ab", min_size=1_500, max_size=1_500))
def test_no_pattern_that_is_taken_takes_long(pattern: str, text: str) -> None:
    """Catastrophic ones would take longer than the tests may last."""
    if mistake(pattern + "zzzz") is None:
        begun = time.process_time()
        re.search((pattern + "zzzz").encode(), text.encode())
        assert time.process_time() - begun < 5
