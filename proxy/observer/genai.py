"""What the GenAI conventions call things that the record names otherwise; seconds instead of milliseconds.

https://github.com/open-telemetry/semantic-conventions-genai
"""

from __future__ import annotations

from proxy.exchange import Exchange, Outcome

_OPERATIONS = {
    "messages": "chat",
    "chat": "chat",
    "responses": "chat",
    "embeddings": "embeddings",
    "images": "generate_content",
}
OPERATION_NAMES = frozenset(_OPERATIONS.values())
"""What `gen_ai.operation.name` can be."""
_FINISH_REASONS = {"end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "tool_use": "tool_call"}


def operation_name(operation: str) -> str | None:
    """`gen_ai.operation.name`; None for what is no model call and has no `gen_ai` attributes at all."""
    return _OPERATIONS.get(operation)


def finish_reason(exchange: Exchange) -> str | None:
    """The conventions' word; a stream that was cut gives `error`."""
    if exchange.finish_reason is None:
        return "error" if exchange.outcome in (Outcome.TRUNCATED, Outcome.ERROR_IN_STREAM) else None
    return "tool_call" if exchange.calls_tool else _FINISH_REASONS.get(exchange.finish_reason, exchange.finish_reason)


def duration_s(exchange: Exchange) -> float | None:
    """Seconds from the start of the last attempt to its end; None when no upstream was tried."""
    if not exchange.attempts:
        return None
    last = exchange.attempts[-1]
    if exchange.upstream_ms is not None:
        return exchange.upstream_ms / 1000
    if last.started_ms is None or last.ended_ms is None:
        return None
    return max(0.0, last.ended_ms - last.started_ms) / 1000


def first_chunk_s(exchange: Exchange) -> float | None:
    """Seconds from request sent to the first body byte of a stream."""
    if not exchange.stream or exchange.sent_ms is None or exchange.first_byte_ms is None:
        return None
    return max(0.0, exchange.first_byte_ms - exchange.sent_ms) / 1000


def error_type(exchange: Exchange) -> str | None:
    """`error.type` of a failed exchange: its type, else its outcome. None for a success."""
    if exchange.outcome in (Outcome.OK, None):
        return None
    return exchange.error_type or str(exchange.outcome)
