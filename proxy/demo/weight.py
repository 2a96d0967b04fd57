"""How many tokens a prompt has and which of them the prompt cache would serve; a pure function of the request.

The cache is not simulated: a later turn of a conversation reads what the turn before it must have written.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from proxy.demo.shapes import Block, Json

CHARACTERS_PER_TOKEN = 4
IMAGE_TOKENS = 1_600
MIN_CACHED_TOKENS = 1_024
COLD_SHARE = 0.04
"""Share of later turns whose cache entry has expired meanwhile."""
WARM_START_SHARE = 0.6
"""Share of first turns that find tools and system prompt cached by an earlier conversation."""


@dataclass(frozen=True)
class PromptTokens:
    """The input of one request, in tokens, split as `usage` reports it."""

    uncached: int
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0

    @property
    def total(self) -> int:
        """All input tokens, cached or not."""
        return self.uncached + self.cache_read + self.cache_write_5m + self.cache_write_1h


@dataclass(frozen=True)
class _Segment:
    tokens: int
    ttl: str | None
    """`5m` or `1h` when a cache breakpoint stands here."""
    message: int
    """Index of the message it belongs to; -1 for tools and system."""


def text_tokens(text: str) -> int:
    """Tokens of a text that the model wrote or read; at least 1."""
    return max(1, len(text) // CHARACTERS_PER_TOKEN)


def weigh(body: Block, random: Random) -> PromptTokens:
    """Count the prompt of `body` and split it between cache reads, cache writes and uncached input."""
    segments = list(_segments(body))
    last_breakpoint = max((i for i, segment in enumerate(segments) if segment.ttl), default=-1)
    cacheable = sum(segment.tokens for segment in segments[: last_breakpoint + 1])
    if cacheable < MIN_CACHED_TOKENS:
        return PromptTokens(sum(segment.tokens for segment in segments))
    known = min(_known_prefix(body, segments, random), last_breakpoint + 1)
    written = {"5m": 0, "1h": 0}
    ttl = ""
    for segment in reversed(segments[known : last_breakpoint + 1]):
        ttl = segment.ttl or ttl
        written[ttl] += segment.tokens
    return PromptTokens(
        uncached=max(3, sum(segment.tokens for segment in segments[last_breakpoint + 1 :])),
        cache_read=sum(segment.tokens for segment in segments[:known]),
        cache_write_5m=written["5m"],
        cache_write_1h=written["1h"],
    )


def _known_prefix(body: Block, segments: list[_Segment], random: Random) -> int:
    """How many leading segments an earlier request has left in the cache."""
    draw = random.random()
    turns = [i for i, message in enumerate(_messages(body)) if message.get("role") == "assistant"]
    if turns and draw >= COLD_SHARE:
        return sum(1 for segment in segments if segment.message < turns[-1])
    if not turns and draw < WARM_START_SHARE:
        return max((i + 1 for i, segment in enumerate(segments) if segment.ttl and segment.message < 0), default=0)
    return 0


def _segments(body: Block) -> Iterator[_Segment]:
    for part in (body.get("tools"), body.get("system")):
        yield from (_segment(block, -1) for block in _blocks(part))
    messages = _messages(body)
    whole = _ttl(body)
    for index, message in enumerate(messages):
        blocks = _blocks(message.get("content"))
        for position, block in enumerate(blocks):
            segment = _segment(block, index)
            is_last = index == len(messages) - 1 and position == len(blocks) - 1
            yield _Segment(segment.tokens, whole or segment.ttl, index) if is_last else segment


def _segment(block: Json, message: int) -> _Segment:
    return _Segment(_block_tokens(block), _ttl(block), message)


def _block_tokens(block: Json) -> int:
    if isinstance(block, str):
        return text_tokens(block) + 3
    if isinstance(block, dict) and block.get("type") == "image":
        return IMAGE_TOKENS
    return text_tokens(json.dumps(block, ensure_ascii=False))


def _ttl(block: Json) -> str | None:
    control = block.get("cache_control") if isinstance(block, dict) else None
    if not isinstance(control, dict):
        return None
    return "1h" if control.get("ttl") == "1h" else "5m"


def _blocks(part: Json) -> list[Json]:
    if isinstance(part, list):
        return part
    return [part] if isinstance(part, str) else []


def _messages(body: Block) -> list[Block]:
    return [message for message in body.get("messages") or [] if isinstance(message, dict)]
