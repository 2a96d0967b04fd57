"""Which meaning the answers to an operation have, by dialect."""

from __future__ import annotations

from typing import Protocol

from proxy.reading.anthropic.message import MessageMeaning
from proxy.reading.framing import Meaning
from proxy.reading.jsontext import Json
from proxy.reading.openai.chat import ChatMeaning
from proxy.reading.openai.plain import EmbeddingsMeaning, ImagesMeaning
from proxy.reading.openai.responses import ResponsesMeaning


class Rebuilding(Meaning, Protocol):
    """A meaning that can also give the whole answer again."""

    def message(self) -> dict[str, Json] | None:
        """Return the answer in the shape of a non-stream one; None when there is none (only with `content`)."""


class _Kind(Protocol):
    def __call__(self, *, content: bool = False) -> Rebuilding: ...


_KINDS: dict[tuple[str, str], _Kind] = {
    ("messages", "anthropic"): MessageMeaning,
    ("chat", "openai"): ChatMeaning,
    ("responses", "openai"): ResponsesMeaning,
    ("embeddings", "openai"): EmbeddingsMeaning,
    ("images", "openai"): ImagesMeaning,
}


def meaning_of(operation: str, dialect: str | None, *, content: bool = False) -> Rebuilding | None:
    """Return a new meaning; None for operations whose answers say nothing that is recorded."""
    kind = _KINDS.get((operation, dialect or ""))
    return None if kind is None else kind(content=content)
