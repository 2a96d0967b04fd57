"""How a request ended: outcome, error type and message."""

from __future__ import annotations

from typing import TypedDict

from proxy.exchange import Outcome
from proxy.reading.facts import ResponseFacts
from proxy.relay.capture import Capture

BODILESS = (204, 304)
"""Answers without a body are whole without one: https://www.rfc-editor.org/rfc/rfc9112#section-6.3"""


class Ended(TypedDict):
    """Fields of the record."""

    outcome: Outcome
    error_type: str | None
    error_message: str | None


def outcome(capture: Capture, response: ResponseFacts) -> Ended:
    """What we saw happen goes before what the answer says of itself."""
    error = capture.error
    if error is not None:
        return _ended(error.outcome, error.error_type, str(error))
    message = None if response.error_message is None or capture.unwanted else response.error_message
    if capture.status is not None and capture.status >= 400:
        return _ended(Outcome.UPSTREAM_ERROR, response.error_type or "other", message)
    if response.error_type is not None:
        return _ended(Outcome.ERROR_IN_STREAM, response.error_type, message)
    if response.complete is False and capture.status not in BODILESS and capture.method != "HEAD":
        return _ended(Outcome.TRUNCATED, "truncated", None)
    return _ended(Outcome.OK, None, None)


def _ended(outcome: Outcome, error_type: str | None, error_message: str | None) -> Ended:
    return {"outcome": outcome, "error_type": error_type, "error_message": error_message}
