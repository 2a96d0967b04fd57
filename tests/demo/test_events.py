"""Order, framing and completeness of streamed events."""

from __future__ import annotations

import json

import pytest

from proxy.demo.answer import Answer, Message
from proxy.demo.ask import Ask
from proxy.demo.chance import seeded
from proxy.demo.events import Event, frame, stream_events
from proxy.demo.heard import Heard, read_answer
from proxy.demo.messages import Shape, compose
from proxy.demo.weight import PromptTokens


def message(shape: Shape) -> Message:
    answer = compose(Ask(max_tokens=90_000), shape, seeded("compose", shape))
    return Message("msg_01", "claude-sonnet-4-6", answer, PromptTokens(3, 500, 20, 7), "us")


def events(shape: Shape) -> list[Event]:
    return list(stream_events(message(shape), seeded("events")))


@pytest.mark.parametrize("shape", Shape)
def test_streamed_blocks_are_the_composed_ones(shape: Shape) -> None:
    random = seeded("frame")
    body = b"".join(frame(event, random) for event in events(shape))
    heard = read_answer(Heard(status=200), body, "text/event-stream; charset=utf-8")
    composed = [{k: v for k, v in block.items() if k != "citations"} for block in message(shape).answer.blocks]
    assert [{k: v for k, v in block.items() if k != "citations"} for block in heard.blocks] == composed
    assert heard.complete


@pytest.mark.parametrize("shape", Shape)
def test_events_come_in_the_order_of_the_api(shape: Shape) -> None:
    names = [event.name for event in events(shape) if event.name != "ping"]
    assert (names[0], names[-2], names[-1]) == ("message_start", "message_delta", "message_stop")
    middle = " ".join(names[1:-2])
    opened = middle.count("content_block_start")
    assert opened == middle.count("content_block_stop") == len(message(shape).answer.blocks)


def test_first_ping_follows_the_first_block_start_and_others_come_later() -> None:
    names = [event.name for event in events(Shape.LONG)]
    assert names[:3] == ["message_start", "content_block_start", "ping"]
    assert names.count("ping") > 10


def test_first_input_delta_is_empty() -> None:
    deltas = [event.payload["delta"] for event in events(Shape.TOOL) if event.name == "content_block_delta"]
    inputs = [delta["partial_json"] for delta in deltas if delta["type"] == "input_json_delta"]
    assert inputs[0] == ""
    assert set(json.loads("".join(inputs))) == {"location", "unit"}


def test_usage_is_split_between_start_and_delta_as_the_api_does() -> None:
    all_events = events(Shape.THINKING)
    started = all_events[0].payload["message"]["usage"]
    ended = all_events[-2].payload["usage"]
    assert started["cache_creation"] == {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 7}
    assert (started["inference_geo"], started["service_tier"], started["speed"]) == ("us", "standard", "standard")
    assert 1 <= started["output_tokens"] <= 8
    assert not {"cache_creation", "inference_geo", "service_tier", "speed"} & set(ended)
    assert ended["cache_creation_input_tokens"] == 27
    assert 0 < ended["output_tokens_details"]["thinking_tokens"] < ended["output_tokens"]


def test_padding_stands_before_the_last_brace_and_varies() -> None:
    random = seeded("padding")
    frames = {frame(Event("message_stop", {"type": "message_stop"}), random) for _ in range(200)}
    assert len(frames) == 16
    assert {json.loads(one.partition(b"data: ")[2])["type"] for one in frames} == {"message_stop"}
    assert all(one.endswith(b"}\n\n") for one in frames)


def test_ping_has_its_inner_space() -> None:
    assert frame(Event("ping", {}), seeded(0)) == b'event: ping\ndata: {"type": "ping"}\n\n'


def test_non_ascii_text_is_not_escaped() -> None:
    answer = Answer([{"type": "text", "text": "東京 👋 °C"}])
    told = Message("msg_01", "m", answer, PromptTokens(1), "")
    body = b"".join(frame(event, seeded(0)) for event in stream_events(told, seeded(1)))
    assert "東京".encode() in body
    assert "👋".encode() in body
