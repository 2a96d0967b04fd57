"""Both spellings of usage become the same counts, without the cache in the input."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
from hypothesis import given, settings

from proxy.exchange import Usage
from proxy.reading.jsontext import Json
from proxy.reading.openai.usage import usage_of
from proxy.reading.problems import Problems
from tests.reading.openai.bodies import CHAT_USAGE, USAGE
from tests.reading.test_jsontext import VALUES


def usage(frame: Json, **more: Json) -> tuple[Usage, str | None]:
    problems = Problems()
    return usage_of(frame, problems, **more), problems.summary()


@pytest.mark.parametrize("frame", [CHAT_USAGE, USAGE])
def test_cached_tokens_are_taken_out_of_the_input(frame: dict[str, Json]) -> None:
    found, problem = usage(frame, service_tier="flex")
    assert problem is None
    assert found == Usage(
        input_tokens=100,
        output_tokens=60,
        cache_read_tokens=700,
        cache_creation_tokens=200,
        reasoning_tokens=40,
        service_tier="flex",
        usage_raw=json.dumps(frame, separators=(",", ":")),
    )
    assert found.input_tokens_total == 1000


def test_what_is_not_said_is_not_known() -> None:
    assert usage(None) == (Usage(), None)
    assert usage({"prompt_tokens": 7})[0] == Usage(input_tokens=7, usage_raw='{"prompt_tokens":7}')


def test_more_cached_tokens_than_input_are_not_believed() -> None:
    frame: Json = {"prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 9}}
    found, problem = usage(frame)
    assert problem == "usage counts more cached tokens than input"
    assert (found.input_tokens, found.cache_read_tokens, found.output_tokens) == (None, None, 2)


def test_hosted_tools_are_counted_and_kept() -> None:
    tools: Json = {"web_search": {"num_requests": 3}, "image_gen": {"input_tokens": 0}}
    found, problem = usage({"input_tokens": 1}, tool_usage=tools)
    assert problem is None
    assert found.web_search_requests == 3
    assert json.loads(found.usage_raw or "") == {"input_tokens": 1, "tool_usage": tools}


@settings(max_examples=100, deadline=None)
@given(VALUES, VALUES, VALUES)
def test_any_values_never_raise_and_no_count_is_negative(frame: Json, tier: Json, tools: Json) -> None:
    """D4"""
    for given_frame in (frame, {"prompt_tokens": frame, "input_tokens": tier, "prompt_tokens_details": tools}):
        found, _ = usage(given_frame, service_tier=tier, tool_usage=tools)
        counts = [value for value in asdict(found).values() if isinstance(value, int)]
        assert all(count >= 0 for count in counts)
