"""Blocks of a web search."""

from __future__ import annotations

from proxy.demo.chance import seeded
from proxy.demo.searches import search_blocks
from proxy.demo.stories import STORIES


def test_result_belongs_to_its_call_and_citations_to_its_pages() -> None:
    search = STORIES[2].searches[0]
    blocks, added = search_blocks(search, seeded(1))
    call, result = blocks[1], blocks[2]
    assert call["id"].startswith("srvtoolu_01")
    assert result["tool_use_id"] == call["id"]
    cited = [citation["url"] for block in blocks for citation in block.get("citations", ())]
    assert cited == [page["url"] for page in result["content"]] == [page.url for page in search.pages]
    assert added > 100


def test_unknown_search_finds_something_as_well() -> None:
    blocks, _ = search_blocks(None, seeded(1))
    assert blocks[1]["input"] == {"query": "weather records this week"}
