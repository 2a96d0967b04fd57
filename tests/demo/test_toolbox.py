"""Tool definitions."""

from __future__ import annotations

import json

from proxy.demo.toolbox import toolbox


def test_twelve_tools_as_heavy_as_real_ones() -> None:
    assert len({tool["name"] for tool in toolbox()}) == 12
    assert 25_000 < len(json.dumps(toolbox())) < 50_000


def test_each_call_gives_objects_of_its_own() -> None:
    first = toolbox()
    first[-1]["cache_control"] = {}
    assert "cache_control" not in toolbox()[-1]
