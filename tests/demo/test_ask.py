"""Reading a messages request."""

from __future__ import annotations

import gzip
import json

import pytest

from proxy.demo.ask import Ask, BadRequestError, glance, read_ask

BODY = {
    "model": "claude-sonnet-4-6",
    "max_tokens": 10,
    "stream": True,
    "messages": [{"role": "user", "content": "x"}, "not a message"],
    "thinking": {"type": "adaptive"},
    "tools": [{"name": "Read", "input_schema": {}}, {"type": "web_search_20250305", "name": "web_search"}],
    "output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}},
}


def raw(**changes: object) -> bytes:
    return json.dumps(BODY | changes).encode()


def test_parameters_are_read() -> None:
    ask = read_ask(raw(), "")
    assert (ask.model, ask.max_tokens, ask.stream) == ("claude-sonnet-4-6", 10, True)
    assert ask.thinks
    assert ask.searches
    assert [tool["name"] for tool in ask.tools] == ["Read"]
    assert ask.schema == {"type": "object"}
    assert ask.messages == [{"role": "user", "content": "x"}]


def test_odd_parameters_count_as_absent() -> None:
    ask = read_ask(raw(thinking="yes", tools="all", output_config=[], stream="true"), "")
    assert (ask.thinks, ask.searches, ask.tools, ask.schema, ask.stream) == (False, False, [], None, False)


def test_counting_needs_no_max_tokens() -> None:
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "x"}]}).encode()
    assert read_ask(body, "", counting=True).max_tokens == 0
    with pytest.raises(BadRequestError, match="max_tokens: Field required"):
        read_ask(body, "")


@pytest.mark.parametrize(
    ("body", "encoding", "message"),
    [
        (b"{", "", "not valid JSON"),
        (b"[" * 200_000, "", "not valid JSON"),
        (b"\xff", "", "not valid JSON"),
        (b"x", "gzip", "request_body_encoding_invalid"),
        (b"x", "br", "request_body_encoding_unsupported"),
        (gzip.compress(bytes(65 * 1024 * 1024)), "gzip", "request_body_too_large_after_decoding"),
    ],
    ids=["cut", "deep", "not utf-8", "not gzip", "br", "bomb"],
)
def test_unreadable_body_is_refused_and_glanced_over(body: bytes, encoding: str, message: str) -> None:
    with pytest.raises(BadRequestError, match=message):
        read_ask(body, encoding)
    assert glance(body, encoding) == Ask()


def test_gzip_body_is_decoded() -> None:
    assert read_ask(gzip.compress(raw()), "gzip") == read_ask(raw(), "")
