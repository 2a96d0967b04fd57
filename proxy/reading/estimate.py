"""How many tokens a stream that broke had brought: a guess from its text, for the providers count only at the end."""

from __future__ import annotations

from dataclasses import replace

from proxy.exchange import UsageSource
from proxy.reading.facts import ResponseFacts
from proxy.reading.jsontext import Json, compact
from proxy.reading.rebuild import rebuild

BYTES_PER_TOKEN = 4
"""Of UTF-8, as tokenizers of both providers need for English; about right for what takes three bytes a character."""
_MAX_DEPTH = 8
_HOLDERS = frozenset({"choices", "message", "output", "tool_calls", "function", "function_call", "custom", "summary"})
_GENERATED = frozenset(
    {
        *("text", "thinking", "content", "partial_json", "input", "refusal", "arguments", "code", "transcript"),
        *("reasoning", "reasoning_content"),
    }
)
"""Where in a message stands what the model wrote; all other fields are names, signatures and results of tools."""


def with_estimate(
    facts: ResponseFacts,
    body: bytes,
    content_type: str | None,
    content_encoding: str | None,
    *,
    operation: str,
    dialect: str | None,
) -> ResponseFacts:
    """Return the facts of an answer that broke with an estimate of its output tokens.

    Unchanged when its usage was told (Anthropic and servers that count along tell it with the finish reason) and when
    no text had come. Thinking that is not shown is not in the estimate.
    """
    if facts.complete is not False or (facts.usage.known and facts.finish_reason is not None):
        return facts
    message = rebuild(body, content_type, content_encoding, operation=operation, dialect=dialect)
    written = _written(message or {}, "", _MAX_DEPTH)
    if not written:
        return facts
    return replace(
        facts,
        output_tokens_estimated=-(-written // BYTES_PER_TOKEN),
        usage_source=facts.usage_source if facts.usage.known else UsageSource.ESTIMATED,
    )


def _written(value: Json, name: str, depth: int) -> int:
    """Bytes of text that the model wrote."""
    if isinstance(value, str):
        return len(value.encode("utf-8", "replace")) if name in _GENERATED else 0
    if name == "input":
        return len((compact(value) or "").encode("utf-8", "replace")) if value else 0
    if isinstance(value, list) and depth:
        return sum(_written(each, name, depth - 1) for each in value)
    if not isinstance(value, dict) or not depth or str(value.get("type")).endswith("_tool_result"):
        return 0
    return sum(_written(each, key, depth - 1) for key, each in value.items() if key in _GENERATED or key in _HOLDERS)
