"""Composed answers: limits, stories, schemas."""

from __future__ import annotations

import json

import pytest

from proxy.demo import plot, prompts
from proxy.demo.ask import Ask
from proxy.demo.chance import seeded
from proxy.demo.messages import Shape, compose
from proxy.demo.shapes import Block
from proxy.demo.stories import STORIES
from proxy.demo.stories.tickets import TICKETS

VOICE = prompts.Voice("claude-sonnet-4-6", "{}", "/home/dev/x", long_cache=True)


def turn(prompt: str, answered: int = 0) -> Ask:
    messages = [prompts.first_message(prompt, "/home/dev/x")]
    for number in range(answered):
        messages.append({"role": "assistant", "content": [{"type": "text", "text": str(number)}]})
        messages.append({"role": "user", "content": [{"type": "text", "text": "(result)"}]})
    body = prompts.agent_body(VOICE, messages)
    return Ask(body, body["model"], body["max_tokens"], stream=True)


def kinds(ask: Ask) -> list[str]:
    return [block["type"] for block in compose(ask, Shape.STORY, seeded(1)).blocks]


def test_story_goes_on_step_by_step() -> None:
    chapter = STORIES[0].chapters[0]
    for number, step in enumerate(chapter.steps):
        answer = compose(turn(chapter.prompt, number), Shape.STORY, seeded(1))
        calls = [(block["name"], block["input"]) for block in answer.blocks if block["type"] == "tool_use"]
        assert calls == [(call.tool, call.input) for call in step.calls]
        assert answer.stop_reason == "tool_use"
    final = compose(turn(chapter.prompt, len(chapter.steps)), Shape.STORY, seeded(1))
    assert final.blocks[-1]["text"] == chapter.answer
    assert final.stop_reason == "end_turn"


def test_tools_that_are_not_offered_are_not_called() -> None:
    ask = turn(STORIES[0].chapters[0].prompt)
    assert "tool_use" in kinds(ask)
    assert "tool_use" not in kinds(Ask(ask.body | {"tools": []}, ask.model, ask.max_tokens))


def test_thinking_needs_to_be_asked_for() -> None:
    ask = turn(STORIES[0].chapters[0].prompt)
    assert "thinking" in kinds(ask)
    assert "thinking" not in kinds(Ask(ask.body | {"thinking": {"type": "disabled"}}, ask.model, ask.max_tokens))


def test_long_chapter_gives_thousands_of_tokens() -> None:
    chapter = next(chapter for story in STORIES for chapter in story.chapters if chapter.long)
    assert compose(turn(chapter.prompt, len(chapter.steps)), Shape.STORY, seeded(1)).output_tokens > 4_000


def test_title_request_gets_the_title_of_its_story() -> None:
    for story in STORIES:
        body = prompts.title_body("m", story.chapters[0].prompt, "{}")
        answer = compose(Ask(body, "m", 512), Shape.STORY, seeded(1))
        assert json.loads(answer.blocks[0]["text"]) == {"title": story.title}


def test_ticket_gets_its_category() -> None:
    schema: Block = {"type": "object", "properties": {"category": {"type": "string"}, "sure": {"type": "boolean"}}}
    messages = [{"role": "user", "content": plot.TICKET_PREFIX + TICKETS[0].text}]
    body = {"messages": messages, "output_config": {"format": {"schema": schema}}}
    answer = json.loads(compose(Ask(body, max_tokens=512), Shape.STORY, seeded(1)).blocks[0]["text"])
    assert (answer["category"], answer["sure"]) == ("billing", True)


def test_search_request_gets_the_pages_of_its_story() -> None:
    search = STORIES[2].searches[0]
    body = prompts.search_body("m", search.query, "{}")
    answer = compose(Ask(body, "m", 8_000), Shape.STORY, seeded(1))
    assert answer.blocks[1]["input"] == {"query": search.query}
    assert [page["url"] for page in answer.blocks[2]["content"]] == [page.url for page in search.pages]
    assert answer.searches == 1
    assert answer.searched_tokens > 0


def test_any_schema_gets_a_fitting_value() -> None:
    properties: Block = {
        "list": {"type": "array", "items": {"type": "integer"}},
        "part": {"type": "object", "properties": {"choice": {"enum": ["one"]}}},
        "ratio": {"type": "number"},
        "odd": 5,
    }
    body = {"output_config": {"format": {"schema": {"type": "object", "properties": properties}}}}
    value = json.loads(compose(Ask(body, max_tokens=900), Shape.STORY, seeded(1)).blocks[0]["text"])
    assert isinstance(value["list"][0], int)
    assert (value["part"], value["ratio"], value["odd"]) == ({"choice": "one"}, 0.5, {})


@pytest.mark.parametrize("limit", [1, 5, 20])
def test_text_stops_at_max_tokens(limit: int) -> None:
    answer = compose(Ask(max_tokens=limit), Shape.TEXT, seeded(1))
    assert (answer.stop_reason, answer.output_tokens) == ("max_tokens", limit)
    assert 0 < len(answer.blocks[0]["text"]) < limit * 4 + 4


def test_tool_calls_are_never_shortened() -> None:
    answer = compose(Ask(max_tokens=1), Shape.PARALLEL_TOOLS, seeded(1))
    assert answer.stop_reason == "tool_use"
    assert len(answer.blocks) == 4


def test_tools_called_are_those_of_the_request() -> None:
    tools = [{"name": name, "input_schema": {"properties": {name: {"type": "string"}}}} for name in ("a", "b")]
    answer = compose(Ask({"tools": tools}), Shape.PARALLEL_TOOLS, seeded(1))
    assert [(block["name"], list(block["input"])) for block in answer.blocks[1:]] == [
        ("a", ["a"]),
        ("b", ["b"]),
        ("a", ["a"]),
    ]
