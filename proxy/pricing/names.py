"""Names of models: how they are spelled, and which the price table spells out."""

from __future__ import annotations

import re
from collections.abc import Iterator

from genai_prices.types import ClauseAnd, ClauseEquals, ClauseOr, ClauseStartsWith, Provider

_BRACKETS = re.compile(r"\[[a-z0-9]{1,8}\]$")
_DATE = re.compile(r"[-@](?:20\d{6}|20\d\d-\d\d-\d\d|latest)$")


def bare(name: str) -> str:
    """The name in small letters, without a suffix like `[1m]`."""
    return _BRACKETS.sub("", name.lower())


def spellings(name: str) -> tuple[str, str]:
    """The bare name, and that without a date or `-latest`."""
    return bare(name), _DATE.sub("", bare(name))


def literal_names(providers: list[Provider]) -> Iterator[str]:
    """Names the table spells out; the beginnings it matches by count only up to a whole name."""
    for provider in providers:
        for model in provider.models:
            yield model.id.lower()
            yield from (name.lower().rstrip("-@.") for name in _spelled_out(model.match))


def _spelled_out(clause: object) -> Iterator[str]:
    if isinstance(clause, ClauseEquals):
        yield clause.equals
    elif isinstance(clause, ClauseStartsWith):
        yield clause.starts_with
    elif isinstance(clause, ClauseOr):
        for part in clause.or_:
            yield from _spelled_out(part)
    elif isinstance(clause, ClauseAnd):
        for part in clause.and_:
            yield from _spelled_out(part)
