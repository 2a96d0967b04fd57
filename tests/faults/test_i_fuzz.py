"""Group I, inputs that nobody thought of: what `make fuzz` throws at every target, as far as it is kept."""

from __future__ import annotations

import pytest

from tests.fuzz.targets import NAMES, corpus, target


@pytest.mark.parametrize("name", NAMES)
def test_i17_what_was_kept_of_fuzzing_is_taken(name: str) -> None:
    """Thousands of further cases run in tests/fuzz, 100,000 for each target in `make fuzz`."""
    kept = corpus(name)
    assert kept
    for path in kept:
        target(name).check(path.read_bytes())
