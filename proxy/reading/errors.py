"""Error answers and error events, in Anthropic's or OpenAI's shape or in whatever a gateway makes of it."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from proxy.reading.facts import MAX_MESSAGE_CHARS, ResponseFacts, word
from proxy.reading.jsontext import Json, Unreadable, parse, shaped
from proxy.reading.problems import Problems
from proxy.reading.sse import Event

ANTHROPIC_TYPES = frozenset(
    {
        "api_error",
        "authentication_error",
        "billing_error",
        "conflict_error",
        "invalid_request_error",
        "memory_precondition_failed_error",
        "not_found_error",
        "not_supported",
        "overloaded_error",
        "permission_error",
        "rate_limit_error",
        "request_too_large",
        "timeout_error",
    }
)
"""Anthropic's `error.type` values (https://docs.claude.com/en/api/errors and the SDK's exceptions)."""
OPENAI_TYPES = frozenset(
    {
        "bio_policy",
        "content_filter",
        "content_policy_violation",
        "context_length_exceeded",
        "data_residency_mismatch",
        "failed_to_download_image",
        "image_content_policy_violation",
        "image_generation_user_error",
        "image_too_large",
        "insufficient_quota",
        "invalid_api_key",
        "invalid_image",
        "invalid_prompt",
        "misalignment_policy_violation",
        "model_not_found",
        "rate_limit_exceeded",
        "server_error",
        "unsupported_image_media_type",
        "vector_store_timeout",
    }
)
"""OpenAI's `error.type` values, and those of `error.code` that stand where a type is missing or says only `tokens`
or `requests` (https://platform.openai.com/docs/guides/error-codes and the SDK's ResponseError)."""
PUBLISHED_TYPES = ANTHROPIC_TYPES | OPENAI_TYPES
OTHER_TYPE = "other"


@dataclass(frozen=True, slots=True)
class ErrorFacts:
    """What an error says of itself."""

    type: str
    """A published type, or `other`."""
    message: str | None = None
    request_id: str | None = None


class ErrorFields(msgspec.Struct):
    """The fields of a JSON body in which an error can stand."""

    error: object = None
    code: object = None
    message: object = None
    detail: object = None
    request_id: object = None


class ErrorBody:
    """Meaning of a response with a status of 400 or more, whatever the operation; it may well be HTML."""

    settled = False

    def __init__(self) -> None:
        self.problems = Problems()
        self._error = ErrorFacts(OTHER_TYPE)
        self._complete: bool | None = None

    def consume(self, event: Event, at_ms: float | None) -> None:
        """Take an event: the last one that is JSON counts."""
        try:
            self._error = error_facts(parse(event.data))
        except Unreadable as error:
            self.problems.note(str(error))

    def silent(self, data: bytes, at: int) -> int:
        """Return `at`: any event can be the error."""
        return at

    def whole(self, body: bytes) -> None:
        """Take the body: JSON, plain text as the message, or something else that says nothing."""
        text = body.strip()
        if not text.startswith((b"{", b"\xef\xbb\xbf")):
            self._error = ErrorFacts(OTHER_TYPE, _plain(text))
            return
        try:
            fields = msgspec.structs.asdict(shaped(text, ErrorFields))
        except Unreadable as error:
            self.problems.note(str(error))
            self._complete = False if error.cut else None
        else:
            self._error = error_facts(fields)
            self._complete = True

    def over(self, *, streamed: bool, readable: bool) -> None:
        """Learn that nothing more comes."""
        if not readable:
            self._complete = None

    def facts(self) -> ResponseFacts:
        """Return the error; `error_type` is always set."""
        return ResponseFacts(
            error_type=self._error.type,
            error_message=self._error.message,
            upstream_request_id=self._error.request_id,
            complete=self._complete,
            parse_error=self.problems.summary(),
        )


def error_facts(body: Json) -> ErrorFacts:
    """Read the payload of an error: a provider's shape, else a message wherever gateways put one.

    The type goes before the code, which OpenAI's streams send alone.
    """
    if not isinstance(body, dict):
        return ErrorFacts(OTHER_TYPE)
    error = body.get("error")
    inner = error if isinstance(error, dict) else {}
    kinds = (inner.get("type"), inner.get("code"), body.get("code"), body.get("type"))
    for message in (inner.get("message"), error, body.get("message"), body.get("detail")):
        if isinstance(message, str) and message:
            break
    else:
        message = None
    return ErrorFacts(
        next((kind for kind in kinds if isinstance(kind, str) and kind in PUBLISHED_TYPES), OTHER_TYPE),
        message[:MAX_MESSAGE_CHARS] if message else None,
        word(body.get("request_id")),
    )


def _plain(text: bytes) -> str | None:
    """Return the first line of a plain text; markup and binary say nothing."""
    line = text[:MAX_MESSAGE_CHARS].decode("utf-8", "replace").partition("\n")[0].strip()
    return line if line and line.isprintable() and "\ufffd" not in line and not line.startswith(("<", "[")) else None
