"""Which operation a method and a path mean; cheap enough to ask when a request is accepted."""

from __future__ import annotations

import re
from functools import lru_cache

ANTHROPIC = "anthropic"
OPENAI = "openai"

_CALLS = {
    "messages": ("messages", ANTHROPIC),
    "messages/count_tokens": ("count_tokens", ANTHROPIC),
    "chat/completions": ("chat", OPENAI),
    "responses": ("responses", OPENAI),
    "embeddings": ("embeddings", OPENAI),
    "images/generations": ("images", OPENAI),
    "images/edits": ("images", OPENAI),
    "images/variations": ("images", OPENAI),
}
_BEFORE = re.compile(r".*/(?:v1|openai(?:/deployments/[^/]+)?)/", re.DOTALL)
"""What may stand before the name of an operation; the second form is that of Azure and of Google's compatible API."""
_FAMILIES: tuple[tuple[str, tuple[str, str | None]], ...] = (
    ("messages/batches", ("batches", ANTHROPIC)),
    ("batches", ("batches", OPENAI)),
    ("files", ("files", None)),
    ("models", ("models", None)),
)
OPERATIONS = frozenset({"other", *(name for name, _ in (*_CALLS.values(), *(meaning for _, meaning in _FAMILIES)))})
"""All there are."""
_PATHS, _PATH_CHARS = 256, 256
"""Paths whose meaning is remembered."""


def operation(method: str, path: str) -> tuple[str, str | None]:
    """Return the operation (`other` if unknown) and the dialect of a request; None leaves it to its upstream.

    The path is without the query; anything may stand before its last `/v1/`, and clients of OpenAI's may omit that.
    """
    return _known(method, path) if len(path) <= _PATH_CHARS else _known.__wrapped__(method, path)


@lru_cache(_PATHS)
def _known(method: str, path: str) -> tuple[str, str | None]:
    before = _BEFORE.match(path)
    rest = path[before.end() if before else 0 :].strip("/")
    call = _CALLS.get(rest)
    if call is not None:
        return call if method == "POST" else ("other", call[1])
    for family, meaning in _FAMILIES:
        if rest == family or rest.startswith(family + "/"):
            return meaning
    return "other", None
