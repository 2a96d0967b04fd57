"""Requests that an upstream refuses, as Loki's alerts want them: enough of each to fire, and almost enough."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Refusal:
    """The same answer, several times."""

    times: int
    status: int
    error_type: str
    message: str = "no"
    model: str = "claude-haiku-4-5"
    session: str = ""
    """"" for requests without one."""
    succeeds: bool = False
    """Whether one more request gets an answer in the end."""


REFUSALS = {
    "AnthropicProxyKeyRefused": Refusal(5, 401, "authentication_error"),
    "AnthropicProxySessionRefused": Refusal(10, 400, "invalid_request_error", session="stuck"),
    "AnthropicProxyModelRefused": Refusal(3, 404, "not_found_error", model="claude-of-last-year"),
    "AnthropicProxyCreditExhausted": Refusal(
        1, 400, "invalid_request_error", "Your credit balance is too low to access the Anthropic API."
    ),
}
"""By alert."""

NEAR_MISSES = {
    "AnthropicProxyKeyRefused": Refusal(4, 403, "permission_error"),
    "AnthropicProxySessionRefused": Refusal(10, 400, "invalid_request_error", session="corrected", succeeds=True),
    "AnthropicProxyModelRefused": Refusal(2, 404, "not_found_error", model="claude-mistyped"),
    "AnthropicProxyCreditExhausted": Refusal(
        1, 400, "invalid_request_error", "metadata.note: unexpected value 'Your credit balance is too low'"
    ),
}
