"""How far a usage is trusted, and what passes for a name."""

from __future__ import annotations

import pytest

from proxy.exchange import Usage, UsageSource
from proxy.reading.facts import trusted, word


@pytest.mark.parametrize(
    ("usage", "complete", "source"),
    [
        (Usage(output_tokens=1), True, UsageSource.FINAL),
        (Usage(output_tokens=1), False, UsageSource.PARTIAL),
        (Usage(input_tokens=1), None, UsageSource.PARTIAL),
        (Usage(), True, UsageSource.NONE),
        (Usage(), False, UsageSource.NONE),
    ],
)
def test_usage_is_final_only_when_its_body_is_complete(
    usage: Usage, complete: bool | None, source: UsageSource
) -> None:
    assert trusted(usage, complete=complete) is source


def test_only_short_strings_are_words() -> None:
    assert [word(value) for value in ("a", "", "x" * 201, 1, None, ["a"])] == ["a", None, None, None, None, None]
