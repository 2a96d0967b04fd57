"""Request bodies of a coding agent."""

from __future__ import annotations

import json
from dataclasses import replace

from proxy.demo import prompts
from proxy.demo.shapes import Block, Json

VOICE = prompts.Voice("claude-sonnet-4-6", '{"session_id":"s"}', "/home/dev/x", long_cache=True)
MESSAGES = [prompts.first_message("do it", "/home/dev/x")]


def breakpoints(value: Json) -> list[Block]:
    if isinstance(value, list):
        return [found for item in value for found in breakpoints(item)]
    if not isinstance(value, dict):
        return []
    inner = [found for name, item in value.items() if name != "cache_control" for found in breakpoints(item)]
    return [*([value["cache_control"]] if "cache_control" in value else []), *inner]


def test_breakpoints_stand_on_tools_system_and_the_last_message() -> None:
    body = prompts.agent_body(VOICE, MESSAGES)
    lasting, brief = {"type": "ephemeral", "ttl": "1h"}, {"type": "ephemeral"}
    assert breakpoints(body["tools"][-1]) == [lasting]
    assert breakpoints(body["tools"]) == [lasting]
    assert breakpoints(body["system"]) == [lasting, lasting]
    assert body["messages"][-1]["content"][-1]["cache_control"] == brief
    assert len(breakpoints(body)) == 4


def test_without_a_long_cache_everything_lives_five_minutes() -> None:
    body = prompts.agent_body(replace(VOICE, long_cache=False), MESSAGES)
    assert {json.dumps(found) for found in breakpoints(body)} == {'{"type": "ephemeral"}'}


def test_conversation_itself_is_left_unmarked() -> None:
    prompts.agent_body(VOICE, MESSAGES)
    assert breakpoints(MESSAGES) == []


def test_first_system_block_is_the_billing_header() -> None:
    assert prompts.agent_body(VOICE, MESSAGES)["system"][0]["text"].startswith(
        "x-anthropic-billing-header: cc_version="
    )


def test_body_is_as_big_as_a_real_one() -> None:
    assert 40_000 < len(json.dumps(prompts.agent_body(VOICE, MESSAGES))) < 90_000


def test_sub_agents_have_fewer_tools() -> None:
    body = prompts.agent_body(replace(VOICE, subagent=True), MESSAGES)
    assert [tool["name"] for tool in body["tools"]] == ["Bash", "Read", "Glob", "Grep", "WebFetch"]


def test_counting_leaves_out_what_is_no_input() -> None:
    counted = prompts.count_body(prompts.agent_body(VOICE, MESSAGES))
    assert set(counted) == {"model", "system", "tools", "messages"}


def test_quota_request_asks_for_one_token() -> None:
    assert prompts.quota_body("m", "{}")["max_tokens"] == 1
