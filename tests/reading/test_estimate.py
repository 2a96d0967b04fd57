"""What a broken stream had brought is guessed from its text, and never taken for a count."""

from __future__ import annotations

import pytest

from proxy.exchange import UsageSource
from proxy.reading.estimate import with_estimate
from proxy.reading.facts import ResponseFacts
from proxy.reading.jsontext import Json
from tests.reading import streams
from tests.reading.openai import bodies
from tests.reading.streams import START_USAGE, STREAM, block, change, delta, event, start, transcript

ANTHROPIC = ("messages", "anthropic")
CHAT, RESPONSES = ("chat", "openai"), ("responses", "openai")
THINKING: Json = {"type": "thinking", "thinking": "", "signature": ""}
SIGNED = delta(0, "signature_delta", signature="E" * 90)
TOOL: Json = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}}
RESULT: Json = {"type": "web_search_tool_result", "tool_use_id": "t", "content": [{"title": "x", "text": "y" * 400}]}


def estimated(pieces: list[bytes], kind: tuple[str, str], content_type: str = STREAM) -> ResponseFacts:
    operation, dialect = kind
    facts = streams.read(pieces, content_type=content_type, operation=operation, dialect=dialect)
    return with_estimate(facts, b"".join(pieces), content_type, None, operation=operation, dialect=dialect)


@pytest.mark.parametrize(
    ("pieces", "tokens"),
    [
        ([delta(0, "text_delta", text="a" * 40)], 10),
        ([delta(0, "text_delta", text="a" * 30), delta(0, "text_delta", text="b" * 11)], 11),
        ([delta(0, "text_delta", text="日本語でも")], 4),
        ([block(0, THINKING), delta(0, "thinking_delta", thinking="t" * 8), SIGNED], 2),
        ([block(0, TOOL), delta(0, "input_json_delta", partial_json='{"location": "Par')], 5),
        ([block(0, TOOL), delta(0, "input_json_delta", partial_json='{"a": "b"}')], 3),
        ([block(0, RESULT), delta(1, "text_delta", text="abcd")], 1),
        ([block(0, TOOL)], None),
        ([], None),
    ],
)
def test_text_that_had_come_is_what_the_tokens_are_guessed_from(pieces: list[bytes], tokens: int | None) -> None:
    """N-7, F-3"""
    facts = estimated([start(START_USAGE), *pieces], ANTHROPIC)
    assert facts.output_tokens_estimated == tokens
    assert (facts.usage.output_tokens, facts.usage_source) == (1, UsageSource.PARTIAL)


@pytest.mark.parametrize(
    ("pieces", "kind", "tokens"),
    [
        ([bodies.chunk({"role": "assistant", "content": "a" * 9}), bodies.chunk({"content": "bcd"})], CHAT, 3),
        ([bodies.chunk({"content": "abcd"}, index=1), bodies.chunk({"content": "efgh"}, "stop")], CHAT, 2),
        ([bodies.chunk(bodies.tool(0, id="call_1", function={"name": "x", "arguments": '{"a":'}))], CHAT, 2),
        ([bodies.chunk({"role": "assistant", "content": ""})], CHAT, None),
        ([bodies.named("response.created", response={"id": "resp_1", "status": "in_progress"})], RESPONSES, None),
        (
            [
                bodies.named("response.output_text.delta", output_index=0, content_index=0, delta="a" * 10),
                bodies.named("response.function_call_arguments.delta", output_index=1, delta='{"b"'),
            ],
            RESPONSES,
            4,
        ),
    ],
)
def test_where_nothing_was_counted_the_usage_is_an_estimate(
    pieces: list[bytes], kind: tuple[str, str], tokens: int | None
) -> None:
    """N-7, F-3"""
    facts = estimated(pieces, kind)
    assert (facts.output_tokens_estimated, facts.usage.known, facts.usage.output_tokens) == (tokens, False, None)
    assert facts.usage_source is (UsageSource.NONE if tokens is None else UsageSource.ESTIMATED)


@pytest.mark.parametrize(
    ("pieces", "kind", "content_type"),
    [
        (transcript(), ANTHROPIC, STREAM),
        ([start(START_USAGE), delta(0, "text_delta", text="abcd"), change({"output_tokens": 9})], ANTHROPIC, STREAM),
        (bodies.chat(), CHAT, STREAM),
        ([bodies.chunk({"content": "abcd"}, "stop"), bodies.DONE], CHAT, STREAM),
        (bodies.events(), RESPONSES, STREAM),
        ([b'{"type":"message","content":[{"type":"text","text":"abcd'], ANTHROPIC, "application/json"),
        ([b'{"data":[]'], ("models", "anthropic"), "application/json"),
    ],
)
def test_nothing_is_guessed_where_the_wire_told_it_or_cannot_be_read(
    pieces: list[bytes], kind: tuple[str, str], content_type: str
) -> None:
    assert estimated(pieces, kind, content_type).output_tokens_estimated is None


def test_error_in_a_stream_leaves_an_estimate() -> None:
    failed = event("error", {"error": {"type": "overloaded_error", "message": "Overloaded"}})
    facts = estimated([start(START_USAGE), delta(0, "text_delta", text="abcd"), failed], ANTHROPIC)
    assert (facts.output_tokens_estimated, facts.error_type) == (1, "overloaded_error")


def test_nesting_of_any_depth_is_no_harm() -> None:
    nested = b'{"type":"content_block_start","index":0,"content_block":' + b'{"content":[' * 400 + b"]}" * 400 + b"}"
    facts = estimated([start(START_USAGE), event("content_block_start", nested.decode())], ANTHROPIC)
    assert facts.output_tokens_estimated is None
