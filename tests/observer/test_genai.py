"""What the GenAI conventions call things."""

from __future__ import annotations

from dataclasses import replace

import pytest

from proxy.exchange import Outcome
from proxy.observer import genai
from tests.observer.samples import attempt, exchange


@pytest.mark.parametrize(
    ("operation", "name"),
    [
        ("messages", "chat"),
        ("chat", "chat"),
        ("responses", "chat"),
        ("embeddings", "embeddings"),
        ("images", "generate_content"),
        ("count_tokens", None),
        ("models", None),
        ("other", None),
    ],
)
def test_only_model_calls_have_an_operation_name(operation: str, name: str | None) -> None:
    assert genai.operation_name(operation) == name


@pytest.mark.parametrize(
    ("wire", "said"),
    [("end_turn", "stop"), ("stop_sequence", "stop"), ("max_tokens", "length"), ("tool_use", "tool_call")],
)
def test_finish_reasons_have_the_conventions_words(wire: str, said: str) -> None:
    assert genai.finish_reason(replace(exchange(), finish_reason=wire)) == said
    assert genai.finish_reason(replace(exchange(), finish_reason="refusal")) == "refusal"


def test_an_answer_that_calls_a_tool_finished_by_that() -> None:
    assert genai.finish_reason(replace(exchange(), finish_reason="completed", calls_tool=True)) == "tool_call"


def test_a_stream_that_was_cut_finished_by_error() -> None:
    assert genai.finish_reason(replace(exchange(), finish_reason=None, outcome=Outcome.TRUNCATED)) == "error"
    assert genai.finish_reason(replace(exchange(), finish_reason=None)) is None


def test_durations_are_seconds_of_the_upstream_call() -> None:
    assert genai.duration_s(exchange()) == 2.0
    assert genai.duration_s(replace(exchange(), last_byte_ms=None)) == 2.003
    assert genai.duration_s(replace(exchange(), attempts=())) is None
    assert (
        genai.duration_s(replace(exchange(), last_byte_ms=None, attempts=(replace(attempt(), ended_ms=None),))) is None
    )


def test_only_streams_have_a_first_chunk() -> None:
    assert genai.first_chunk_s(exchange()) == 0.1
    assert genai.first_chunk_s(replace(exchange(), stream=False)) is None
    assert genai.first_chunk_s(replace(exchange(), first_byte_ms=None)) is None


def test_a_failure_without_a_type_has_its_outcome() -> None:
    assert genai.error_type(exchange()) is None
    assert genai.error_type(replace(exchange(), outcome=Outcome.TRUNCATED)) == "truncated"
    assert genai.error_type(replace(exchange(), outcome=Outcome.REJECTED, error_type="limit")) == "limit"
