"""Where a conversation stands in its story, told from the messages alone, and what the tools return there."""

from __future__ import annotations

import json
from dataclasses import dataclass

from proxy.demo.shapes import Block, Json
from proxy.demo.stories import STORIES
from proxy.demo.stories.story import Call, Chapter, Search, Step, Story, Ticket
from proxy.demo.stories.tickets import TICKETS

SEARCH_PREFIX = "Perform a web search for the query: "
TICKET_PREFIX = "Sort this message from our support inbox.\n\n"

_CHAPTERS = {chapter.prompt: (story, chapter) for story in STORIES for chapter in (*story.chapters, *story.errands)}
_SEARCHES = {SEARCH_PREFIX + search.query: search for story in STORIES for search in story.searches}
_TICKETS = {TICKET_PREFIX + ticket.text: ticket for ticket in TICKETS}


@dataclass(frozen=True)
class Place:
    """A point in a story."""

    story: Story
    chapter: Chapter
    turn: int
    """How many answers the model has given to this prompt."""

    @property
    def step(self) -> Step | None:
        """The tool calls that come next; `None` when it is time for the final answer."""
        return self.chapter.steps[self.turn] if self.turn < len(self.chapter.steps) else None


def where(messages: list[Block]) -> Place | None:
    """The place of a conversation, `None` when it is none of ours."""
    turn = 0
    for message in reversed(messages):
        if message.get("role") == "assistant":
            turn += 1
        for text in _texts(message):
            if text in _CHAPTERS:
                return Place(*_CHAPTERS[text], turn)
    return None


def search_asked(messages: list[Block]) -> Search | None:
    """The search that the last message asks for."""
    return next((_SEARCHES[text] for text in _last_texts(messages) if text in _SEARCHES), None)


def ticket_asked(messages: list[Block]) -> Ticket | None:
    """The ticket that the last message shows."""
    return next((_TICKETS[text] for text in _last_texts(messages) if text in _TICKETS), None)


def call_made(chapter: Chapter, name: str, arguments: Json) -> Call | None:
    """The call of `chapter` that a tool_use block makes, by name and input."""
    wanted = json.dumps(arguments, sort_keys=True)
    calls = (call for step in chapter.steps for call in step.calls)
    return next((c for c in calls if c.tool == name and json.dumps(c.input, sort_keys=True) == wanted), None)


def chapter_of(prompt: str) -> Chapter | None:
    """The chapter that a prompt opens."""
    found = _CHAPTERS.get(prompt)
    return found[1] if found else None


def _last_texts(messages: list[Block]) -> list[str]:
    return _texts(messages[-1]) if messages else []


def _texts(message: Block) -> list[str]:
    content = message.get("content")
    if isinstance(content, str):
        return [content]
    blocks = content if isinstance(content, list) else []
    return [str(block.get("text")) for block in blocks if isinstance(block, dict) and block.get("type") == "text"]
