"""The blocks of a provider-run web search: the call, the pages found, a summary with citations."""

from __future__ import annotations

from random import Random

from proxy.demo.chance import identifier, opaque
from proxy.demo.shapes import Block
from proxy.demo.stories.story import Page, Search
from proxy.demo.weight import text_tokens

_WEATHER = Search(
    "weather records this week",
    (
        Page(
            "A warm week",
            "https://weather.example/warm-week",
            "3 days ago",
            "The station on the hill measured 31.4 °C, the highest value in its 60 years.",
        ),
        Page("Rain at last", "https://weather.example/rain", "1 day ago", "On Sunday 22 mm fell within an hour."),
    ),
    "Two records stand out this week.",
)


def search_blocks(search: Search | None, random: Random) -> tuple[list[Block], int]:
    """The content of an answer found by `search` (a general one when `None`), and the input tokens the pages added."""
    found = search or _WEATHER
    call_id = identifier(random, "srvtoolu_01")
    blocks: list[Block] = [
        {"type": "text", "text": "I'll search the web for that."},
        {"type": "server_tool_use", "id": call_id, "name": "web_search", "input": {"query": found.query}},
        {
            "type": "web_search_tool_result",
            "tool_use_id": call_id,
            "content": [_result(page, random) for page in found.pages],
        },
        {"type": "text", "text": found.summary + " "},
        *(_cited(page, random) for page in found.pages),
    ]
    return blocks, sum(text_tokens(page.passage) * 12 for page in found.pages)


def _result(page: Page, random: Random) -> Block:
    return {
        "type": "web_search_result",
        "title": page.title,
        "url": page.url,
        "encrypted_content": "Eqgf" + opaque(random, 240),
        "page_age": page.age,
    }


def _cited(page: Page, random: Random) -> Block:
    citation = {
        "type": "web_search_result_location",
        "url": page.url,
        "title": page.title,
        "encrypted_index": "Eo8B" + opaque(random, 60),
        "cited_text": page.passage,
    }
    return {"type": "text", "text": f"{page.passage} ", "citations": [citation]}
