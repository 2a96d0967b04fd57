"""Composes answers: which blocks a request gets, by the shape that its scene wants and the story it belongs to."""

from __future__ import annotations

import json
from enum import StrEnum
from random import Random

from proxy.demo import plot, prose
from proxy.demo.answer import Answer
from proxy.demo.ask import Ask
from proxy.demo.chance import identifier, opaque
from proxy.demo.searches import search_blocks
from proxy.demo.shapes import Block, Json
from proxy.demo.weight import CHARACTERS_PER_TOKEN, text_tokens

LONG_SECTIONS = 9
"""About 6,000 tokens, a thousand events and more."""
BILLED_PER_SHOWN_THOUGHT = 1.5
"""The thinking shown is a summary: more is billed than can be counted."""


class Shape(StrEnum):
    """What an answer consists of."""

    STORY = "story"
    TEXT = "text"
    THINKING = "thinking"
    TOOL = "tool"
    PARALLEL_TOOLS = "parallel_tools"
    WEB_SEARCH = "web_search"
    LONG = "long"
    REFUSAL = "refusal"


_WEATHER_TOOL: Block = {
    "name": "get_weather",
    "input_schema": {
        "type": "object",
        "properties": {"location": {"type": "string"}, "unit": {"type": "string", "enum": ["°C", "°F"]}},
    },
}
_PLACES = ("San Francisco, CA", "Zürich", "東京", "Porto Alegre", "Kraków")


def compose(ask: Ask, shape: Shape, random: Random) -> Answer:
    """The answer to `ask`, the same for the same request and `random`."""
    if shape is Shape.STORY:
        return _story(ask, random)
    if shape is Shape.THINKING:
        return _answer(ask, [*_thinking(prose.thought(random), random), _text(prose.reply(random))])
    if shape in (Shape.TOOL, Shape.PARALLEL_TOOLS):
        return _tools(ask, 1 if shape is Shape.TOOL else 3, random)
    if shape is Shape.WEB_SEARCH:
        return _web_search(ask, random)
    if shape is Shape.LONG:
        return _answer(ask, [_text(prose.manual(random, LONG_SECTIONS))])
    if shape is Shape.REFUSAL:
        details: Block = {"type": "refusal", "category": "cyber", "explanation": "This request cannot be answered."}
        return Answer([], "refusal", details)
    return _answer(ask, [_text(prose.reply(random))])


def _story(ask: Ask, random: Random) -> Answer:
    if ask.schema:
        return _answer(ask, [_text(json.dumps(_structured(ask, random), ensure_ascii=False))])
    if ask.searches:
        return _web_search(ask, random)
    place = plot.where(ask.messages)
    if place is None:
        thoughts = _thinking(prose.thought(random), random) if ask.thinks else []
        return _answer(ask, [*thoughts, _text(prose.reply(random))])
    offered = {tool.get("name") for tool in ask.tools}
    step = place.step
    if step and offered >= {call.tool for call in step.calls}:
        thoughts = _thinking(step.thought, random) if ask.thinks else []
        says = [_text(step.says)] if step.says else []
        calls = [_tool_use(call.tool, call.input, random) for call in step.calls]
        return _answer(ask, [*thoughts, *says, *calls])
    thoughts = _thinking(place.chapter.thought, random) if ask.thinks else []
    more = prose.manual(random, LONG_SECTIONS) if place.chapter.long else ""
    return _answer(ask, [*thoughts, _text(place.chapter.answer + more)])


def _tools(ask: Ask, count: int, random: Random) -> Answer:
    offered = ask.tools or [_WEATHER_TOOL]
    chosen = [offered[i % len(offered)] for i in range(count)]
    calls = [_tool_use(str(tool.get("name")), _sample(tool.get("input_schema"), random), random) for tool in chosen]
    return _answer(ask, [_text("I'll look that up."), *calls])


def _web_search(ask: Ask, random: Random) -> Answer:
    blocks, added = search_blocks(plot.search_asked(ask.messages), random)
    return _answer(ask, blocks, searched_tokens=added)


def _structured(ask: Ask, random: Random) -> Json:
    place, ticket = plot.where(ask.messages), plot.ticket_asked(ask.messages)
    sample = _sample(ask.schema, random)
    if place and "title" in sample:
        return sample | {"title": place.story.title}
    if ticket:
        return sample | {"category": ticket.category, "priority": ticket.priority, "summary": ticket.summary}
    return sample


def _sample(schema: Json, random: Random) -> Json:
    """A value that fits a JSON schema, as far as type, enum, properties and items say."""
    if not isinstance(schema, dict):
        return {}
    if isinstance(schema.get("enum"), list) and schema["enum"]:
        return random.choice(schema["enum"])
    kind = schema.get("type", "object")
    if kind == "object":
        properties = schema.get("properties")
        return {name: _sample(part, random) for name, part in (properties or {}).items()}
    if kind == "array":
        return [_sample(schema.get("items"), random)]
    simple: Block = {"integer": random.randint(1, 90), "number": 0.5, "boolean": True, "null": None}
    return simple.get(str(kind), random.choice(_PLACES))


def _text(text: str) -> Block:
    return {"type": "text", "text": text}


def _thinking(thought: str, random: Random) -> list[Block]:
    if not thought:
        return []
    return [{"type": "thinking", "thinking": thought, "signature": "EqQB" + opaque(random, 160) + "=="}]


def _tool_use(name: str, arguments: Json, random: Random) -> Block:
    return {"type": "tool_use", "id": identifier(random, "toolu_01"), "name": name, "input": arguments}


def _answer(ask: Ask, blocks: list[Block], *, searched_tokens: int = 0) -> Answer:
    thinking = int(sum(_tokens(b) for b in blocks if b["type"] == "thinking") * BILLED_PER_SHOWN_THOUGHT)
    spoken = sum(_tokens(block) for block in blocks if block["type"] != "thinking")
    reason = "tool_use" if any(block["type"] == "tool_use" for block in blocks) else "end_turn"
    excess = thinking + spoken - ask.max_tokens
    if reason == "end_turn" and excess > 0 and ask.max_tokens:
        blocks, spoken, reason = _shortened(blocks, excess), spoken - excess, "max_tokens"
    return Answer(
        blocks=blocks,
        stop_reason=reason,
        output_tokens=max(1, thinking + spoken),
        thinking_tokens=thinking,
        searches=sum(1 for block in blocks if block["type"] == "server_tool_use"),
        searched_tokens=searched_tokens,
    )


def _shortened(blocks: list[Block], excess: int) -> list[Block]:
    """The same blocks, the last text cut by `excess` tokens (but never empty)."""
    *head, last = blocks
    text = str(last.get("text", ""))
    return [*head, last | {"text": text[: max(1, len(text) - excess * CHARACTERS_PER_TOKEN)]}]


def _tokens(block: Block) -> int:
    shown = block.get("text") or block.get("thinking") or ""
    if "input" in block:
        shown = json.dumps(block["input"], ensure_ascii=False)
    return 0 if block["type"].endswith("_tool_result") else text_tokens(shown)
