"""What is read of requests: no body and no header raises, and every fact can be stored."""

from __future__ import annotations

import msgspec

from proxy.reading.request import request_facts
from tests.fuzz.targets import fields

PATHS = ("/v1/messages", "/v1/chat/completions", "/v1/responses", "/v1/embeddings", "/v1/messages/count_tokens", "/x")
HEADERS = ("user-agent", "x-stainless-retry-count", "x-proxy-metadata", "x-proxy-workflow", "x-claude-code-session-id")
TOKENS = (
    b"\xff",
    b'{"model":"claude-sonnet-4-6",',
    b'"messages":[',
    b'{"role":"user","content":"hi"}',
    b'"stream":true',
    b'"system":',
    b'"tools":[',
    b'"metadata":{"user_id":"',
    b"user_a_account__session_b",
    b'{\\"account_uuid\\":\\"a\\",\\"session_id\\":\\"b\\"}',
    b'"max_tokens":',
    b'"temperature":',
    b"1e999",
    b"-1",
    b"null",
    b"true",
    b"[]",
    b"{}",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b'"',
    b"\\ud800",
    b'"thinking":{"type":"enabled","budget_tokens":1}',
    b"claude-cli/2.1.0 (external, cli)",
    b'{"a":1}',
    b"9" * 30,
    b'"input":"a"',
)


def check(data: bytes) -> None:
    """Five header values, then the body; its first byte says the path."""
    *values, body = fields(data, len(HEADERS) + 1)
    headers = tuple((name, value.decode("latin-1")) for name, value in zip(HEADERS, values, strict=True) if value)
    path = PATHS[body[0] % len(PATHS)] if body else PATHS[0]
    facts = request_facts(method="POST", path=path, headers=headers, body=body[1:], content_encoding=None)
    for name, value in msgspec.to_builtins(facts).items():
        if isinstance(value, int):
            assert -(2**63) <= value < 2**63, name
        assert not isinstance(value, str) or len(value) < 100_000, name
