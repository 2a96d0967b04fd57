"""Each operation with facts of its own has one meaning."""

from __future__ import annotations

import pytest

from proxy.reading.anthropic.message import MessageMeaning
from proxy.reading.dialects import meaning_of
from proxy.reading.openai.chat import ChatMeaning
from proxy.reading.openai.plain import EmbeddingsMeaning, ImagesMeaning
from proxy.reading.openai.responses import ResponsesMeaning


@pytest.mark.parametrize(
    ("operation", "dialect", "kind"),
    [
        ("messages", "anthropic", MessageMeaning),
        ("chat", "openai", ChatMeaning),
        ("responses", "openai", ResponsesMeaning),
        ("embeddings", "openai", EmbeddingsMeaning),
        ("images", "openai", ImagesMeaning),
    ],
)
def test_operation_of_a_dialect_has_its_meaning(operation: str, dialect: str, kind: type) -> None:
    assert type(meaning_of(operation, dialect)) is kind


@pytest.mark.parametrize(
    ("operation", "dialect"),
    [("messages", None), ("messages", "openai"), ("count_tokens", "anthropic"), ("files", None), ("x", "y")],
)
def test_others_have_none(operation: str, dialect: str | None) -> None:
    assert meaning_of(operation, dialect) is None
