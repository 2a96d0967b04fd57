"""Method and path tell the operation and its dialect."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.reading.operations import operation


@pytest.mark.parametrize(
    ("method", "path", "meaning"),
    [
        ("POST", "/v1/messages", ("messages", "anthropic")),
        ("POST", "/v1/messages/", ("messages", "anthropic")),
        ("POST", "/production/v1/messages", ("messages", "anthropic")),
        ("POST", "/api/v1/messages", ("messages", "anthropic")),
        ("POST", "/v1/messages/count_tokens", ("count_tokens", "anthropic")),
        ("POST", "/v1/messages/batches", ("batches", "anthropic")),
        ("GET", "/v1/messages/batches/b1/results", ("batches", "anthropic")),
        ("DELETE", "/v1/messages/batches/b1", ("batches", "anthropic")),
        ("GET", "/v1/messages", ("other", "anthropic")),
        ("POST", "/v1/messages/cache_touch", ("other", None)),
        ("POST", "/v1/chat/completions", ("chat", "openai")),
        ("POST", "/chat/completions", ("chat", "openai")),
        ("POST", "/openai/v1/chat/completions", ("chat", "openai")),
        ("POST", "/v1beta/openai/chat/completions", ("chat", "openai")),
        ("POST", "/openai/deployments/gpt-5/chat/completions", ("chat", "openai")),
        ("POST", "/openai/deployments/small/embeddings", ("embeddings", "openai")),
        ("POST", "/v1/images/edits", ("images", "openai")),
        ("POST", "/v1/responses", ("responses", "openai")),
        ("GET", "/v1/responses/r1", ("other", None)),
        ("POST", "/v1/embeddings", ("embeddings", "openai")),
        ("POST", "/v1/images/generations", ("images", "openai")),
        ("GET", "/v1/batches/b1", ("batches", "openai")),
        ("GET", "/v1/files/f1/content", ("files", None)),
        ("GET", "/v1/models", ("models", None)),
        ("GET", "/v1/models/claude-sonnet-4-6", ("models", None)),
        ("POST", "/v1/threads/t1/messages", ("other", None)),
        ("POST", "/v1/modelsx", ("other", None)),
        ("HEAD", "/", ("other", None)),
        ("HEAD", "/api/hello", ("other", None)),
    ],
)
def test_operation_and_dialect_of_a_path(method: str, path: str, meaning: tuple[str, str | None]) -> None:
    assert operation(method, path) == meaning


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=10), st.text(max_size=60))
def test_any_method_and_path_have_an_operation(method: str, path: str) -> None:
    assert operation(method, path)[0]
