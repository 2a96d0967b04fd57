"""Requests tell their operation, parameters and identity."""

from __future__ import annotations

import gzip
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.exchange import Headers
from proxy.reading.encodings import encode
from proxy.reading.request import RequestFacts, client, request_facts
from tests.reading.streams import CODINGS

SESSION = "11111111-2222-3333-4444-555555555555"
ACCOUNT = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
BODY = json.dumps(
    {
        "model": "claude-sonnet-4-6",
        "max_tokens": 128000,
        "stream": True,
        "metadata": {"user_id": json.dumps({"device_id": "d", "account_uuid": ACCOUNT, "session_id": "from-body"})},
        "messages": [{"role": "user", "content": "hi"}],
    }
).encode()
HEADERS: Headers = (
    ("X-Claude-Code-Session-Id", SESSION),
    ("x-claude-code-agent-id", "agent-1"),
    ("x-claude-code-parent-agent-id", "agent-0"),
    ("User-Agent", "claude-cli/2.1.329 (external, sdk-cli)"),
    ("x-stainless-retry-count", "2"),
    ("x-proxy-workflow", "nightly"),
    ("x-proxy-metadata", '{"user": "u1",  "tags": [1]}'),
)


def facts(
    body: bytes | None = BODY,
    headers: Headers = (),
    *,
    method: str = "POST",
    path: str = "/v1/messages",
    coding: str | None = None,
) -> RequestFacts:
    return request_facts(method=method, path=path, headers=headers, body=body, content_encoding=coding)


def test_request_of_claude_code_gives_its_facts() -> None:
    """P-12, wire facts 6.3"""
    assert facts(headers=HEADERS) == RequestFacts(
        operation="messages",
        dialect="anthropic",
        model="claude-sonnet-4-6",
        stream=True,
        parameters='{"max_tokens":128000}',
        message_count=1,
        tool_count=0,
        image_count=0,
        session_id=SESSION,
        agent_id="agent-1",
        parent_agent_id="agent-0",
        account_uuid=ACCOUNT,
        client="claude-cli/2.1.329",
        retry_count=2,
        customer_data='{"user":"u1","tags":[1]}',
        workflow="nightly",
    )


@pytest.mark.parametrize("coding", CODINGS)
def test_encoded_body_is_read(coding: str) -> None:
    """Claude Code can send gzip (wire facts 1.3)."""
    assert facts(encode(BODY, coding), coding=coding) == facts()


def test_body_that_cannot_be_decoded_is_told() -> None:
    read = facts(gzip.compress(BODY)[:-9], coding="gzip")
    assert (read.operation, read.model, read.parse_error) == ("messages", None, "the encoded body ends early")
    assert facts(coding="br, gzip").parse_error == "chained content codings are not decoded"


def test_body_that_was_not_kept_leaves_the_facts_of_the_headers() -> None:
    read = facts(None, HEADERS)
    assert (read.model, read.stream, read.session_id, read.parse_error) == (None, None, SESSION, None)


@pytest.mark.parametrize(
    ("user_id", "account_uuid", "session_id"),
    [
        (json.dumps({"account_uuid": "", "session_id": SESSION}), None, SESSION),
        (f"user_{'ab' * 32}_account_{ACCOUNT}_session_{SESSION}", ACCOUNT, SESSION),
        (f"user_{'ab' * 32}_account__session_{SESSION}", None, SESSION),
        ("just-a-user", None, None),
        ("[1]", None, None),
        (json.dumps({"account_uuid": 'x"}', "session_id": SESSION}), None, SESSION),
        (json.dumps({"account_uuid": 5, "session_id": "x" * 300}), None, None),
        ('{"a":' * 700, None, None),
    ],
)
def test_user_id_in_its_forms(user_id: str, account_uuid: str | None, session_id: str | None) -> None:
    read = facts(json.dumps({"model": "m", "metadata": {"user_id": user_id}}).encode())
    assert (read.account_uuid, read.session_id, read.parse_error) == (account_uuid, session_id, None)


@pytest.mark.parametrize(
    ("path", "field", "count"),
    [("/v1/chat/completions", "messages", 1), ("/v1/responses", "input", 1), ("/v1/embeddings", "input", None)],
)
def test_conversations_of_every_dialect_are_counted(path: str, field: str, count: int | None) -> None:
    read = facts(json.dumps({"model": "m", field: [{"role": "user", "content": "x"}]}).encode(), path=path)
    assert (read.model, read.message_count, read.parse_error) == ("m", count, None)


@pytest.mark.parametrize(
    ("path", "body", "stream"),
    [
        ("/v1/messages", b'{"model":"m"}', False),
        ("/v1/messages", b'{"model":"m","stream":true}', True),
        ("/v1/messages", b"no json", None),
        ("/v1/messages/count_tokens", b'{"model":"m"}', None),
        ("/v1/chat/completions", b'{"model":"m"}', False),
        ("/v1/responses", b'{"model":"m","stream":true}', True),
        ("/v1/images/generations", b'{"model":"m"}', False),
        ("/v1/embeddings", b'{"model":"m"}', None),
    ],
)
def test_stream_is_what_was_asked_for(path: str, body: bytes, stream: bool | None) -> None:
    assert facts(body, path=path).stream is stream


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [("GET", "/v1/models", b""), ("POST", "/v1/files", b"--x"), ("POST", "/api/event_logging/v2/batch", b"\x00")],
)
def test_bodies_of_other_operations_are_not_read(method: str, path: str, body: bytes) -> None:
    assert facts(body, method=method, path=path).parse_error is None


def test_forms_are_not_read_as_json() -> None:
    assert (
        facts(b"--x", (("content-type", "multipart/form-data; boundary=x"),), path="/v1/images/edits").parse_error
        is None
    )


@pytest.mark.parametrize(
    ("sent", "problem"),
    [
        ("[]", "x-proxy-metadata is not an object"),
        ("{", "x-proxy-metadata: not readable as JSON: Input data was truncated"),
        ('{"a":"' + "x" * 5000 + '"}', "x-proxy-metadata is larger than 4096 bytes"),
        ("\udcff", "x-proxy-metadata: not readable as JSON: JSON is malformed: invalid character (byte 0)"),
    ],
)
def test_customer_data_must_be_a_small_object(sent: str, problem: str) -> None:
    read = facts(headers=(("x-proxy-metadata", sent),))
    assert (read.customer_data, read.parse_error) == (None, problem)


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        ("claude-cli/2.1.329 (external, sdk-cli)", "claude-cli/2.1.329"),
        ("Anthropic/Python 2.11.0", "Anthropic/Python 2.11.0"),
        ("Mozilla/5.0 (X11; Linux) Gecko/20100101 Firefox/130.0", "Mozilla/5.0"),
        ("Bun/1.4.0", "Bun/1.4.0"),
        ("curl", "curl"),
        ("(nothing)", None),
        ("", None),
        (None, None),
        ("x" * 5000, "x" * 100),
    ],
)
def test_client_is_product_and_version(user_agent: str | None, name: str | None) -> None:
    assert client(user_agent) == name


@pytest.mark.parametrize(
    ("sent", "count"), [("0", 0), ("3", 3), ("-1", None), ("x", None), ("99999", None), ("²", None)]
)
def test_retry_count_is_a_small_number(sent: str, count: int | None) -> None:
    assert facts(headers=(("X-Stainless-Retry-Count", sent),)).retry_count == count


@settings(max_examples=80, deadline=None)
@given(
    st.binary(max_size=100),
    st.lists(st.tuples(st.sampled_from([name for name, _ in HEADERS]), st.text(max_size=30)), max_size=4),
    st.sampled_from([None, "gzip", "zstd", "x"]),
    st.sampled_from(["/v1/messages", "/v1/chat/completions", "/v1/models", ""]),
)
def test_any_request_has_facts(body: bytes, headers: list[tuple[str, str]], coding: str | None, path: str) -> None:
    """A23"""
    assert facts(body, tuple(headers), path=path, coding=coding).operation


def test_what_is_remembered_of_a_caller_is_said_of_its_own_requests_only() -> None:
    """Header fields and parameters that come again are not read again."""
    first = facts(headers=HEADERS)
    other = facts(BODY.replace(b"128000", b"5"), (*HEADERS[1:-1], ("x-proxy-metadata", "{}"), ("traceparent", "00-1")))
    assert (other.session_id, other.customer_data, other.parameters) == ("from-body", "{}", '{"max_tokens":5}')
    assert (other.agent_id, other.retry_count, other.workflow) == ("agent-1", 2, "nightly")
    assert facts(headers=HEADERS) == first
    assert facts(headers=(*HEADERS, ("content-length", "9"))) == first


def test_names_that_callers_make_up_can_be_quoted_in_queries() -> None:
    hostile, harmless = "a`b\"c\\d\ne\u202ef é's 1/2", "a_b_c_d_e_f é's 1/2"
    body = json.dumps({"model": "m", "metadata": {"user_id": json.dumps({"session_id": hostile})}}).encode()
    headers = (("x-proxy-workflow", hostile), ("x-claude-code-agent-id", hostile))
    read = facts(body, headers)
    assert (read.session_id, read.workflow, read.agent_id) == (harmless, harmless, harmless)
