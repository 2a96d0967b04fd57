"""Envelopes and usage of a message."""

from __future__ import annotations

from proxy.demo.answer import Answer, Message
from proxy.demo.weight import PromptTokens

ANSWER = Answer([{"type": "text", "text": "x"}], output_tokens=40, thinking_tokens=9, searches=2, searched_tokens=1_000)
MESSAGE = Message("msg_01A", "claude-sonnet-4-6", ANSWER, PromptTokens(5, 18_000, 1_200, 300), "us", "fast")


def test_whole_message_has_the_fields_of_the_api() -> None:
    assert MESSAGE.whole() == {
        "id": "msg_01A",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-6",
        "content": [{"type": "text", "text": "x"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "stop_details": None,
        "container": None,
        "usage": {
            "input_tokens": 1_005,
            "cache_creation_input_tokens": 1_500,
            "cache_read_input_tokens": 18_000,
            "output_tokens": 40,
            "output_tokens_details": {"thinking_tokens": 9},
            "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 0},
            "cache_creation": {"ephemeral_5m_input_tokens": 1_200, "ephemeral_1h_input_tokens": 300},
            "service_tier": "standard",
            "inference_geo": "us",
            "speed": "fast",
        },
    }


def test_started_message_knows_neither_content_nor_end() -> None:
    started = MESSAGE.started()
    assert (started["content"], started["stop_reason"]) == ([], None)
    assert (started["usage"]["input_tokens"], started["usage"]["output_tokens"]) == (5, 8)
    assert "server_tool_use" not in started["usage"]


def test_plain_answer_reports_no_details() -> None:
    usage = Message("msg_01A", "m", Answer(), PromptTokens(5), "").final_usage()
    assert set(usage) == {
        "input_tokens",
        "cache_creation_input_tokens",
        "cache_read_input_tokens",
        "output_tokens",
    }
