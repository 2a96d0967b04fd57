"""Finding one's place in a story."""

from __future__ import annotations

from proxy.demo import plot
from proxy.demo.shapes import Block
from proxy.demo.stories import STORIES
from proxy.demo.stories.tickets import TICKETS

STORY = STORIES[0]


def said(*texts: str, role: str = "user") -> Block:
    return {"role": role, "content": [{"type": "text", "text": text} for text in texts]}


def test_answers_since_the_last_prompt_are_counted() -> None:
    first, second = (chapter.prompt for chapter in STORY.chapters)
    answer = said("…", role="assistant")
    messages = [said("notes", first), answer, said("x"), answer, said(second), answer, said("result")]
    place = plot.where(messages)
    assert place == plot.Place(STORY, STORY.chapters[1], 1)
    assert place.step is None
    assert plot.where(messages[:4]) == plot.Place(STORY, STORY.chapters[0], 2)


def test_prompt_is_found_as_plain_text_too() -> None:
    assert plot.where([{"role": "user", "content": STORY.chapters[0].prompt}]) is not None


def test_foreign_conversations_have_no_place() -> None:
    odd: list[Block] = [{"role": "user"}, {"role": "user", "content": [5, {"type": "image"}]}, said("hello")]
    assert plot.where(odd) is None
    assert plot.where([]) is None
    assert plot.search_asked(odd) is None
    assert plot.ticket_asked([]) is None
    assert plot.chapter_of("hello") is None


def test_tickets_and_searches_are_recognised() -> None:
    search = STORIES[2].searches[0]
    assert plot.ticket_asked([said(plot.TICKET_PREFIX + TICKETS[3].text)]) is TICKETS[3]
    assert plot.search_asked([said(plot.SEARCH_PREFIX + search.query)]) is search


def test_call_is_found_by_name_and_input() -> None:
    chapter = STORY.chapters[0]
    call = chapter.steps[0].calls[0]
    assert plot.call_made(chapter, call.tool, dict(reversed(call.input.items()))) is call
    assert plot.call_made(chapter, call.tool, {}) is None
