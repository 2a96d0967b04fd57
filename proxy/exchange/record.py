"""The record of one request."""

from __future__ import annotations

from dataclasses import field

from proxy.exchange.limits import LimitReading, WindowReading, opens_again
from proxy.exchange.parts import Attempt, Outcome, Usage, UsageSource, recorded

FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
    "completed": "stop",
    "max_output_tokens": "length",
}
"""The wire's finish reasons that have a dialect-free name; all others stay as they are."""


SHORTEST_RATED_MS = 50.0


@recorded
class Exchange:
    """One accepted request. Never changed once it is finished."""

    request_id: str
    """`px_` and 26 characters of a ULID: ids sort by time of acceptance."""
    process: str
    """Start id of the relay process that owns the request."""
    started_ns: int
    """Wall clock, Unix nanoseconds."""
    method: str
    path: str
    """As received, without the query."""
    endpoint: str
    outcome: Outcome | None = None
    """None while the request is open."""
    query: str | None = None
    """Without the question mark, secrets masked."""
    organization: str | None = None
    workflow: str | None = None
    key: str | None = None
    group: str | None = None
    session_id: str | None = None
    agent_id: str | None = None
    parent_agent_id: str | None = None
    account: str | None = None
    """Whose rate-limit windows the answer describes."""
    credential: str | None = None
    client: str | None = None
    """Product and version of the caller, from its user agent."""
    upstream: str | None = None
    provider: str | None = None
    dialect: str | None = None
    operation: str = "other"
    model: str | None = None
    """The model asked for."""
    response_model: str | None = None
    """The model that answered."""
    stream: bool | None = None
    status: int | None = None
    """Status sent to the client; None when none was sent."""
    finish_reason: str | None = None
    calls_tool: bool | None = None
    """Of a complete answer whose finish reason cannot say so: whether it asks the client to run a tool."""
    error_type: str | None = None
    error_message: str | None = None
    upstream_request_id: str | None = None
    message_id: str | None = None
    upstream_organization_id: str | None = None
    upstream_workspace_id: str | None = None
    billing: str | None = None
    usage: Usage = field(default_factory=Usage)
    usage_source: UsageSource = UsageSource.NONE
    output_tokens_estimated: int | None = None
    """Of a stream that broke: a guess from its text, never part of a sum."""
    parameters: str | None = None
    """JSON object of the request's scalar parameters (max_tokens, thinking, temperature, …)."""
    message_count: int | None = None
    tool_count: int | None = None
    image_count: int | None = None
    retry_count: int | None = None
    """`x-stainless-retry-count`: how often the client had tried before."""
    customer_data: str | None = None
    """JSON object sent by the client in `x-proxy-metadata`."""
    request_bytes: int | None = None
    response_bytes: int | None = None
    """Body bytes received from the upstream."""
    delivered_bytes: int | None = None
    """Body bytes handed to the client's connection."""
    request_sha256: str | None = None
    response_sha256: str | None = None
    request_capture: str | None = None
    """Why the request body is not, or not wholly, stored; None when it is."""
    response_capture: str | None = None
    redacted: bool = False
    """A secret was masked in what is stored, so that stored and wire hashes differ."""
    redactions: str | None = None
    """JSON object: how many secrets each rule masked, in bodies, headers and texts; credential headers not counted."""
    parse_error: str | None = None
    trace_id: str | None = None
    span_id: str | None = None
    parent_span_id: str | None = None
    received_ms: float | None = None
    """When the last byte of the request body had arrived."""
    sent_ms: float | None = None
    """When the last request byte had been handed to the upstream connection."""
    connect_ms: float | None = None
    headers_ms: float | None = None
    """When the upstream's response headers arrived."""
    first_byte_ms: float | None = None
    """When the first upstream body byte arrived."""
    first_sent_ms: float | None = None
    """When the first body byte had been handed to the client's connection."""
    first_token_ms: float | None = None
    last_byte_ms: float | None = None
    duration_ms: float | None = None
    """Until the request was over for the client."""
    attempts: tuple[Attempt, ...] = ()
    windows: tuple[WindowReading, ...] = ()
    limits: tuple[LimitReading, ...] = ()

    @property
    def attempt_count(self) -> int:
        """How often an upstream was tried."""
        return len(self.attempts)

    @property
    def finish_reason_normalized(self) -> str | None:
        """The finish reason under its dialect-free name."""
        if self.calls_tool:
            return "tool_calls"
        return None if self.finish_reason is None else FINISH_REASONS.get(self.finish_reason, self.finish_reason)

    @property
    def resets_at(self) -> int | None:
        """Of a 429: when the limit that refused it opens again, Unix seconds."""
        return opens_again(self.status, self.windows, self.limits)

    @property
    def ttft_ms(self) -> float | None:
        """From the end of sending the request upstream to the first content token."""
        return _between(self.sent_ms, self.first_token_ms)

    @property
    def latency_ms(self) -> float | None:
        """As `ttft_ms`; where nothing is streamed, until the first upstream body byte."""
        first_ms = self.first_token_ms if self.stream or self.first_token_ms is not None else self.first_byte_ms
        return _between(self.sent_ms, first_ms)

    @property
    def generation_ms(self) -> float | None:
        """From the first content token to the last byte; None without a token."""
        return _between(self.first_token_ms, self.last_byte_ms)

    @property
    def upstream_ms(self) -> float | None:
        """Round trip to the upstream that served: start of the last attempt to the last byte."""
        return _between(self.attempts[-1].started_ms if self.attempts else None, self.last_byte_ms)

    @property
    def output_rate(self) -> float | None:
        """Output tokens per second, over the whole duration where nothing streamed; None for what came in a burst."""
        elapsed = self.generation_ms if self.stream else self.duration_ms
        if elapsed is None or elapsed < SHORTEST_RATED_MS or not self.usage.output_tokens:
            return None
        return self.usage.output_tokens * 1000 / elapsed

    @property
    def overhead_ms(self) -> float | None:
        """Time this proxy added on the way there and back, without connecting and waiting for the client's upload."""
        before = _between(self.received_ms, self.sent_ms)
        if before is None:
            return None
        after = _between(self.first_byte_ms, self.first_sent_ms) or 0.0
        return max(0.0, before - (self.connect_ms or 0.0)) + after


def _between(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else max(0.0, end - start)
