"""How far a usage is trusted, and what passes for a name."""

from __future__ import annotations

import pytest

from proxy.exchange import Usage, UsageSource
from proxy.reading.facts import trusted, word
from proxy.reading.jsontext import Json


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


@pytest.mark.parametrize(
    ("value", "known"), [("a", "a"), ("", None), ("x" * 201, None), (1, None), (None, None), (["a"], None)]
)
def test_only_short_strings_are_words(value: Json, known: str | None) -> None:
    assert word(value) == known
