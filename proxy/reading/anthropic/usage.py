"""The `usage` objects of one Anthropic message, merged by the wire's rule: later values replace, nothing is added."""

from __future__ import annotations

from proxy.exchange import Usage
from proxy.reading.counts import count_at, raw_json
from proxy.reading.jsontext import Json
from proxy.reading.problems import Problems

MAX_FIELDS = 100

_COUNTS = {
    "input_tokens": ("input_tokens",),
    "output_tokens": ("output_tokens",),
    "cache_read_tokens": ("cache_read_input_tokens",),
    "cache_creation_tokens": ("cache_creation_input_tokens",),
    "cache_creation_5m_tokens": ("cache_creation", "ephemeral_5m_input_tokens"),
    "cache_creation_1h_tokens": ("cache_creation", "ephemeral_1h_input_tokens"),
    "reasoning_tokens": ("output_tokens_details", "thinking_tokens"),
    "web_search_requests": ("server_tool_use", "web_search_requests"),
    "web_fetch_requests": ("server_tool_use", "web_fetch_requests"),
}
_PARTS = ("cache_creation_5m_tokens", "cache_creation_1h_tokens")
_NAMES = ("service_tier", "speed", "inference_geo")


class UsageFrames:
    """Usage as it becomes known: first from `message_start`, then from each `message_delta`."""

    def __init__(self, problems: Problems) -> None:
        self.raw: dict[str, Json] = {}
        """The merged object as on the wire."""
        self._problems = problems
        self._counts: dict[str, int] = {}
        self._names: dict[str, str] = {}

    def add(self, frame: Json) -> None:
        """Take a later usage object: what it states replaces what was stated, null and absent fields change nothing.

        A count that is no integer from 0 to 10^12 is a problem and changes nothing either.
        """
        if frame is None:
            return
        if not isinstance(frame, dict):
            self._problems.note("usage is not an object")
            return
        if self.raw or len(frame) > MAX_FIELDS:
            _merge(self.raw, frame)
        else:
            self.raw = dict(frame)
        for name, path in _COUNTS.items():
            if path[0] in frame:
                count = count_at(frame, path, self._problems)
                if count is not None:
                    self._counts[name] = count
        for name in _NAMES:
            if name in frame:
                self._name(name, frame[name])

    def usage(self) -> Usage:
        """Return what is known now.

        The 5m and 1h parts are None when they do not add up to the cache writes: then a later frame has replaced the
        sum, and its parts are not known.
        """
        counts = dict(self._counts)
        parts = [counts[name] for name in _PARTS if name in counts]
        if parts:
            total = sum(parts)
            if counts.setdefault("cache_creation_tokens", total) != total:
                counts = {name: count for name, count in counts.items() if name not in _PARTS}
        return Usage(
            **counts,
            service_tier=self._names.get("service_tier"),
            speed=self._names.get("speed"),
            inference_geo=self._names.get("inference_geo"),
            usage_raw=raw_json(self.raw),
        )

    def _name(self, name: str, value: Json) -> None:
        if isinstance(value, str) and len(value) <= 100:
            self._names[name] = value
        elif value is not None:
            self._problems.note(f"usage.{name} is not a name")


def _merge(known: dict[str, Json], later: dict[str, Json], depth: int = 1) -> None:
    """Replace field by field, also inside nested objects of one level; null replaces nothing."""
    for name, value in later.items():
        old = known.get(name)
        if depth and isinstance(old, dict) and isinstance(value, dict):
            _merge(old, value, depth - 1)
        elif value is not None if name in known else len(known) < MAX_FIELDS:
            known[name] = value
