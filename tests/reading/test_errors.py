"""Errors are read in every shape that gateways give them."""

from __future__ import annotations

import json

import pytest

from proxy.reading.errors import PUBLISHED_TYPES, ErrorFacts, error_facts
from proxy.reading.jsontext import Json
from proxy.reading.response import ResponseFacts
from tests.reading.streams import read


def answer(body: bytes, content_type: str | None = "application/json") -> ResponseFacts:
    return read(body, content_type=content_type, status=502)


@pytest.mark.parametrize("kind", sorted(PUBLISHED_TYPES))
def test_published_types_are_kept(kind: str) -> None:
    body = {"type": "error", "error": {"type": kind, "message": "M", "details": None}, "request_id": "req_1"}
    assert answer(json.dumps(body).encode()) == ResponseFacts(
        error_type=kind, error_message="M", upstream_request_id="req_1", complete=True
    )


@pytest.mark.parametrize(
    ("body", "facts"),
    [
        ({"error": {"type": "made_up", "message": "M"}}, ErrorFacts("other", "M")),
        ({"error": "M"}, ErrorFacts("other", "M")),
        ({"message": "M"}, ErrorFacts("other", "M")),
        ({"detail": "M"}, ErrorFacts("other", "M")),
        ({"error": {"type": ["x"], "message": 5}, "request_id": 7}, ErrorFacts("other")),
        ({"error": None}, ErrorFacts("other")),
        (
            {"error": {"message": "M", "type": "tokens", "param": None, "code": "rate_limit_exceeded"}},
            ErrorFacts("rate_limit_exceeded", "M"),
        ),
        (
            {"error": {"message": "M", "type": "insufficient_quota", "code": "insufficient_quota"}},
            ErrorFacts("insufficient_quota", "M"),
        ),
        (
            {"error": {"message": "M", "type": "invalid_request_error", "code": "context_length_exceeded"}},
            ErrorFacts("invalid_request_error", "M"),
        ),
        ({"error": {"code": "429", "message": "M"}}, ErrorFacts("other", "M")),
        ({"type": "error", "code": "server_error", "message": "M", "param": None}, ErrorFacts("server_error", "M")),
        ({"object": "error", "message": "M", "type": "BadRequestError", "code": 400}, ErrorFacts("other", "M")),
        ([], ErrorFacts("other")),
        ({"error": {"message": "x" * 10_000}}, ErrorFacts("other", "x" * 4096)),
    ],
)
def test_other_shapes_are_read_as_far_as_they_go(body: Json, facts: ErrorFacts) -> None:
    assert error_facts(body) == facts


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"<html><body>502 Bad Gateway</body></html>", None),
        (b"", None),
        (b"upstream connect error or disconnect\nmore", "upstream connect error or disconnect"),
        (b"\x1b[31mred", None),
        (b"\x00\xff\xfe", None),
    ],
)
def test_error_that_is_not_json_has_a_type_and_perhaps_a_message(body: bytes, message: str | None) -> None:
    """An edge answers HTML: that is no parse error."""
    assert answer(body, "text/html") == ResponseFacts(error_type="other", error_message=message)


@pytest.mark.parametrize(("body", "complete"), [(b'{"error":', False), (b'{"error":' + b"[" * 10**5, None)])
def test_broken_json_is_a_parse_error(body: bytes, complete: bool | None) -> None:
    facts = answer(body)
    assert (facts.error_type, facts.error_message, facts.complete) == ("other", None, complete)
    assert facts.parse_error is not None


def test_error_status_with_an_event_stream_is_read() -> None:
    body = b'event: error\ndata: {"type":"error","error":{"type":"api_error","message":"M"}}\n\n'
    facts = read(body, status=500)
    assert (facts.error_type, facts.error_message) == ("api_error", "M")


@pytest.mark.parametrize("operation", ["count_tokens", "models", "other"])
def test_errors_of_every_operation_are_read(operation: str) -> None:
    facts = read(b'{"error":{"type":"not_found_error","message":"M"}}', status=404, operation=operation)
    assert facts.error_type == "not_found_error"
