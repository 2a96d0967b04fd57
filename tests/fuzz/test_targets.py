"""I17: every target on a thousand inputs made of its words; `make fuzz` goes on, guided by coverage."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import NAMES, target

CASES = 1_000


@pytest.mark.parametrize("name", NAMES)
def test_words_in_any_order_are_taken(name: str) -> None:
    checked = target(name)
    word = st.sampled_from(checked.TOKENS) | st.binary(max_size=4)

    @settings(max_examples=CASES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(word, max_size=25).map(b"".join))
    def run(data: bytes) -> None:
        checked.check(data)

    run()
