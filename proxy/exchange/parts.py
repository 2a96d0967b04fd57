"""What the record of a request is put together from."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar, dataclass_transform

Headers = tuple[tuple[str, str], ...]
C = TypeVar("C")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def recorded(cls: type[C]) -> type[C]:
    """A dataclass of which nothing is changed: the type checker sees to it, at run time it would cost 7 µs a record."""
    return dataclass(slots=True, unsafe_hash=True)(cls)


class Outcome(StrEnum):
    """How an exchange ended; the closed set that every signal uses."""

    OK = "ok"
    UPSTREAM_ERROR = "upstream_error"
    """The upstream answered with a status of 400 or more."""
    ERROR_IN_STREAM = "error_in_stream"
    """An error event inside a 200."""
    TRUNCATED = "truncated"
    """The upstream ended early."""
    UPSTREAM_TIMEOUT = "upstream_timeout"
    UPSTREAM_UNREACHABLE = "upstream_unreachable"
    CLIENT_DISCONNECTED = "client_disconnected"
    REJECTED = "rejected"
    """Refused by the gate, a limit or for a missing key."""
    PROXY_ERROR = "proxy_error"
    """An exception of ours."""
    INTERRUPTED = "interrupted"
    """The relay process died while the request was open."""


class Hop(StrEnum):
    """One of the four passages of a message."""

    CLIENT_REQUEST = "client_request"
    UPSTREAM_REQUEST = "upstream_request"
    UPSTREAM_RESPONSE = "upstream_response"
    CLIENT_RESPONSE = "client_response"


class UsageSource(StrEnum):
    """How far the token counts can be trusted."""

    FINAL = "final"
    PARTIAL = "partial"
    """The stream broke; the last reported values are used."""
    ESTIMATED = "estimated"
    """The stream broke before anything was reported; what it brought is only guessed."""
    NONE = "none"


@recorded
class Usage:
    """Token counts with the wire's meaning, one shape for every dialect."""

    input_tokens: int | None = None
    """Uncached input only, in every dialect."""
    output_tokens: int | None = None
    """Includes reasoning tokens."""
    cache_read_tokens: int | None = None
    cache_creation_tokens: int | None = None
    """All cache writes; the 5m and 1h parts add up to it where the wire tells them apart."""
    cache_creation_5m_tokens: int | None = None
    cache_creation_1h_tokens: int | None = None
    reasoning_tokens: int | None = None
    web_search_requests: int | None = None
    web_fetch_requests: int | None = None
    service_tier: str | None = None
    speed: str | None = None
    inference_geo: str | None = None
    usage_raw: str | None = None
    """The wire's own usage object as JSON; stream frames merged by the wire's rule (later value wins)."""

    @property
    def known(self) -> bool:
        """Whether any count was reported."""
        return self.input_tokens is not None or self.output_tokens is not None

    @property
    def input_tokens_total(self) -> int | None:
        """Prompt tokens including cache reads and writes; None when nothing was reported."""
        fresh, read, written = self.input_tokens, self.cache_read_tokens, self.cache_creation_tokens
        if fresh is None and read is None and written is None:
            return None
        return (fresh or 0) + (read or 0) + (written or 0)


@recorded
class Attempt:
    """One try at an upstream."""

    number: int
    upstream: str
    server_address: str
    server_port: int
    span_id: str
    credential: str | None = None
    """Name of the operator's credential; None when the caller's own passed through."""
    started_ms: float | None = None
    connect_ms: float | None = None
    """Time spent opening a connection; None when a pooled one was used."""
    sent_ms: float | None = None
    """When the last request byte had been handed to the connection."""
    headers_ms: float | None = None
    ended_ms: float | None = None
    status: int | None = None
    error_type: str | None = None
    error_message: str | None = None
    upstream_request_id: str | None = None
    ratelimit: str | None = None
    """JSON object of the rate-limit headers of this answer."""
