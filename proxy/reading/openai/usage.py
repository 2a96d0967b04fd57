"""The `usage` objects of OpenAI's dialect, in the names and with the meaning of the record.

Chat and embeddings count prompt and completion, responses and images input and output; both include the cache.
"""

from __future__ import annotations

from proxy.exchange import Usage
from proxy.reading.counts import Path, count_at, raw_json
from proxy.reading.facts import word
from proxy.reading.jsontext import Json
from proxy.reading.problems import Problems

_INPUT: tuple[Path, ...] = (("prompt_tokens",), ("input_tokens",))
_OUTPUT: tuple[Path, ...] = (("completion_tokens",), ("output_tokens",))
_READ: tuple[Path, ...] = (("prompt_tokens_details", "cached_tokens"), ("input_tokens_details", "cached_tokens"))
_WRITTEN: tuple[Path, ...] = (
    ("prompt_tokens_details", "cache_write_tokens"),
    ("input_tokens_details", "cache_write_tokens"),
)
_REASONING: tuple[Path, ...] = (
    ("completion_tokens_details", "reasoning_tokens"),
    ("output_tokens_details", "reasoning_tokens"),
)
_SEARCHES: Path = ("web_search", "num_requests")


def usage_of(frame: Json, problems: Problems, *, service_tier: Json = None, tool_usage: Json = None) -> Usage:
    """Return what the last usage object of an answer says; everything is None where there was none.

    `service_tier` is the answer's: the tier that was used. `tool_usage` is what hosted tools used, kept in `usage_raw`
    under that name. Counts of cached tokens that exceed the input are not believed, nor is that input.
    """
    raw: dict[str, Json] = {}
    if isinstance(frame, dict):
        raw = dict(frame)
    elif frame is not None:
        problems.note("usage is not an object")
    total, read, written = [_first(raw, paths, problems) for paths in (_INPUT, _READ, _WRITTEN)]
    uncached = None if total is None else total - (read or 0) - (written or 0)
    if uncached is not None and uncached < 0:
        problems.note("usage counts more cached tokens than input")
        uncached = read = written = None
    if isinstance(tool_usage, dict):
        raw["tool_usage"] = tool_usage
    return Usage(
        input_tokens=uncached,
        output_tokens=_first(raw, _OUTPUT, problems),
        cache_read_tokens=read,
        cache_creation_tokens=written,
        reasoning_tokens=_first(raw, _REASONING, problems),
        web_search_requests=count_at(tool_usage, _SEARCHES, problems),
        service_tier=word(service_tier),
        usage_raw=raw_json(raw),
    )


def _first(frame: dict[str, Json], paths: tuple[Path, ...], problems: Problems) -> int | None:
    for path in paths:
        if path[0] in frame:
            count = count_at(frame, path, problems)
            if count is not None:
                return count
    return None
