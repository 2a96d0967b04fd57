"""What is read in requests and responses: plain data in the names of the record."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from proxy.exchange import Usage, UsageSource

MAX_WORD_CHARS = 200
MAX_MESSAGE_CHARS = 4096


@dataclass(frozen=True, slots=True)
class ResponseFacts:
    """Facts of one response body; None is not known."""

    model: str | None = None
    """The model that answered."""
    message_id: str | None = None
    usage: Usage = field(default_factory=Usage)
    usage_source: UsageSource = UsageSource.NONE
    output_tokens_estimated: int | None = None
    """Of a stream that broke, from its text."""
    finish_reason: str | None = None
    """As on the wire."""
    calls_tool: bool | None = None
    """Whether a complete answer asks the client to run a tool; None where the finish reason would say so."""
    error_type: str | None = None
    """One of the provider's published types, or `other`."""
    error_message: str | None = None
    upstream_request_id: str | None = None
    """The request id that an error names in its body."""
    first_token_ms: float | None = None
    """The `at_ms` of the bytes that completed the first content token of a stream."""
    complete: bool | None = None
    """Whether the body said all it had to say; None when that cannot be told."""
    parse_error: str | None = None


class PromptFacts(msgspec.Struct, frozen=True):
    """Facts of a request body."""

    readable: bool = False
    model: str | None = None
    stream: bool | None = None
    parameters: str | None = None
    message_count: int | None = None
    tool_count: int | None = None
    image_count: int | None = None
    """Image blocks of all messages, those inside tool results included."""
    user_id: str | None = None
    """`metadata.user_id`."""


def word(value: object) -> str | None:
    """Return a short string as it is, and None for everything else."""
    return value if type(value) is str and 0 < len(value) <= MAX_WORD_CHARS else None


def trusted(usage: Usage, *, complete: bool | None) -> UsageSource:
    """Say how far a usage can be trusted, given whether its body came to its end."""
    if not usage.known:
        return UsageSource.NONE
    return UsageSource.FINAL if complete else UsageSource.PARTIAL
