"""What is stored of an answer becomes its message, in the dialect that was spoken, on its page and in the API."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from proxy.exchange import Hop
from proxy.inspector.answers import rebuilt
from proxy.inspector.captured import Captured
from tests.inspector.conftest import vector
from tests.inspector.filling import NOW_NS, SECOND, answered, json_bytes, telling
from tests.inspector.site import Site, serving
from tests.reading.openai.bodies import chat, events

PNG = "iVBORw0KGgo="
TOOL = {"type": "object", "properties": {"at": {"type": "string"}}}
CHAT: dict[str, Any] = {
    "model": "gpt-5",
    "stream": True,
    "stream_options": {"include_usage": True},
    "tools": [{"type": "function", "function": {"name": "weather", "description": "Weather.", "parameters": TOOL}}],
    "messages": [
        {"role": "system", "content": "You are terse."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What **weather** is this?"},
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "call_7", "type": "function", "function": {"name": "weather", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "call_7", "content": "18 °C, drizzle"},
    ],
}
RESPONSE: dict[str, Any] = {
    "model": "gpt-5",
    "instructions": "You are terse.",
    "tools": [{"type": "function", "name": "weather", "description": "Weather.", "parameters": TOOL}],
    "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "What weather is this?"}]},
        {"type": "function_call", "call_id": "call_7", "name": "weather", "arguments": '{"at": "Paris"}'},
        {"type": "function_call_output", "call_id": "call_7", "output": "18 °C, drizzle"},
    ],
}


@dataclass(frozen=True)
class Told:
    """An inspector over requests in OpenAI's dialect, and their ids."""

    site: Site
    ids: dict[str, str]

    def words(self, name: str) -> str:
        """The text of a request's page, without markup."""
        with self.site.client() as client:
            answer = client.get(f"/requests/{self.ids[name]}")
        assert answer.status_code == 200, answer.text
        return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())

    def message(self, name: str) -> dict[str, Any]:
        """The answer as the API gives it."""
        with self.site.client() as client:
            message: dict[str, Any] = client.get(f"/api/v1/exchanges/{self.ids[name]}/message").json()
        return message


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """One chat, one response, one image and one that failed."""
    stream = (("content-type", "text/event-stream"),)
    plain, plain_headers = vector("openai_chat_json.json")
    samples = {
        "chat": ("chat", CHAT, b"".join(chat()), stream),
        "json": ("chat", CHAT, plain, plain_headers),
        "responses": ("responses", RESPONSE, b"".join(events()), stream),
        "images": ("images", {"prompt": "A red square"}, json_bytes({"data": [{"b64_json": PNG * 9}]}), ()),
        "embeddings": (
            "embeddings",
            {"model": "m", "input": ["one"]},
            json_bytes({"data": [{"embedding": "AA=="}]}),
            (),
        ),
    }
    ids: dict[str, str] = {}
    with telling(tmp_path_factory.mktemp("openai")) as filled:
        for number, (name, (operation, request, response, headers)) in enumerate(samples.items()):
            started = NOW_NS + number * SECOND
            exchange = replace(
                answered(filled.id_at(started), started),
                dialect="openai",
                provider="openai",
                upstream="openai",
                operation=operation,
                model="gpt-5",
                response_model="gpt-5",
                path=f"/v1/{operation}",
                query=None,
            )
            ids[name] = exchange.request_id
            given = headers or (("content-type", "application/json"),)
            filled.finished(exchange, request=json_bytes(request), response=response, response_headers=given)
        filled.settle(*ids.values())
        with serving(filled.folder, metrics=lambda accept, health_only: (b"", "text/plain")) as site:
            yield Told(site, ids)


def test_nothing_stored_is_no_message() -> None:
    exchange = replace(answered("px_1"), dialect="openai", operation="chat")
    assert rebuilt(exchange, Captured(Hop.UPSTREAM_RESPONSE, (), None, b"", ())) is None


def test_a_chat_is_shown_as_a_conversation_with_its_answer(told: Told) -> None:
    seen = told.words("chat")
    for text in (
        "Model and parameters model gpt-5", "stream_options", "Tools 1: weather", "Messages 4", "system 1", "user 2",
        "assistant 3 tool call weather", "tool 4", "image image/png base64 9 B", "tool result call_7 18 °C, drizzle",
        "thinking Let me see.", 'It is "finish_reason":"x" 🦊 日本語', "tool call weather call_0", '"Paris"',
        "Show raw SSE",
    ):  # fmt: skip
        assert text in seen, text
    assert PNG not in seen


def test_a_chat_that_is_no_stream_is_shown_the_same_way(told: Told) -> None:
    seen = told.words("json")
    assert "The quick brown fox jumps over" in seen
    assert "Show JSON" in seen


def test_a_response_is_shown_as_a_conversation_with_its_answer(told: Told) -> None:
    seen = told.words("responses")
    for text in (
        "System prompt 14 characters", "You are terse.", "Tools 1: weather", "Messages 3", "What weather is this?",
        "tool call weather call_7", "tool result call_7 18 °C, drizzle", "thinking Let me see.", "It is 🦊",
        "tool call weather call_1",
    ):  # fmt: skip
        assert text in seen, text


def test_images_are_placeholders_and_vectors_plain_json(told: Told) -> None:
    assert "A red square" in told.words("images")
    assert "image image base64" in told.words("images")
    assert '"embedding" : "AA=="' in told.words("embeddings")


def test_the_api_gives_the_answer_in_the_shape_of_its_dialect(told: Told) -> None:
    choice = told.message("chat")["choices"][0]
    assert choice["message"]["tool_calls"][0]["function"] == {"name": "weather", "arguments": '{"at":"Paris"}'}
    assert told.message("responses")["output"][1]["content"][0]["text"] == "It is 🦊"
    assert "error" in told.message("embeddings")
