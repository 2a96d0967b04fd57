"""Each operation with facts of its own has one meaning."""

from __future__ import annotations

import pytest

from proxy.reading.anthropic.message import MessageMeaning
from proxy.reading.dialects import meaning_of


def test_messages_are_anthropics() -> None:
    assert isinstance(meaning_of("messages", "anthropic"), MessageMeaning)


@pytest.mark.parametrize(
    ("operation", "dialect"),
    [("messages", None), ("messages", "openai"), ("count_tokens", "anthropic"), ("files", None), ("x", "y")],
)
def test_others_have_none(operation: str, dialect: str | None) -> None:
    assert meaning_of(operation, dialect) is None
