"""The stories fit the tools and each other."""

from __future__ import annotations

import json

import pytest

from proxy.demo.plot import call_made, chapter_of
from proxy.demo.stories import STORIES
from proxy.demo.stories.story import Call, Chapter, Story
from proxy.demo.stories.tickets import TICKETS
from proxy.demo.toolbox import toolbox

TOOLS = {tool["name"]: tool["input_schema"] for tool in toolbox()}
CHAPTERS = [(story, chapter) for story in STORIES for chapter in (*story.chapters, *story.errands)]


def calls(chapter: Chapter) -> list[Call]:
    return [call for step in chapter.steps for call in step.calls]


def test_prompts_are_unlike_each_other() -> None:
    prompts = [chapter.prompt for _, chapter in CHAPTERS]
    assert len(set(prompts)) == len(prompts)
    assert len({ticket.text for ticket in TICKETS}) == len(TICKETS)


@pytest.mark.parametrize(("story", "chapter"), CHAPTERS)
def test_calls_fit_the_schemas_of_their_tools(story: Story, chapter: Chapter) -> None:
    for call in calls(chapter):
        schema = TOOLS[call.tool]
        assert set(call.input) <= set(schema["properties"])
        assert set(schema["required"]) <= set(call.input)
        assert json.loads(json.dumps(call.input)) == call.input


@pytest.mark.parametrize(("story", "chapter"), CHAPTERS)
def test_every_call_has_a_result(story: Story, chapter: Chapter) -> None:
    for call in calls(chapter):
        if call.tool == "Task":
            assert chapter_of(call.input["prompt"]) in story.errands
        elif call.tool == "WebSearch":
            assert call.input["query"] in [search.query for search in story.searches]
        elif call.listing_lines:
            assert call.input["file_path"].startswith(story.folder)
        else:
            assert call.result


@pytest.mark.parametrize(("story", "chapter"), CHAPTERS)
def test_calls_with_different_results_differ(story: Story, chapter: Chapter) -> None:
    for call in calls(chapter):
        found = call_made(chapter, call.tool, call.input)
        assert found is not None
        assert found.listing_lines == call.listing_lines
