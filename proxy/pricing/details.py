"""What OpenAI's usage tells beside the counts of the record: tokens of images and audio, and those of hosted tools."""

from __future__ import annotations

import json

from proxy.exchange import Exchange, Usage

_TOOLS = "tool_usage"
_KINDS = ("audio", "image")
_DETAILS = {
    "input": ("prompt_tokens_details", "input_tokens_details"),
    "output": ("completion_tokens_details", "output_tokens_details"),
}
APART = tuple(f"{side}_{kind}_mtok" for side in _DETAILS for kind in _KINDS)
"""Prices that the table states for some models beside that of text."""


def priced_apart(exchange: Exchange) -> set[str]:
    """The prices of `APART` that some of these tokens may have: the record does not split its counts that way."""
    raw = _raw(exchange.usage)
    used = {
        f"{side}_{kind}_mtok"
        for side, names in _DETAILS.items()
        for kind in _KINDS
        if any(_at(raw, name, f"{kind}_tokens") for name in names)
    }
    if exchange.operation == "images" and "output_tokens_details" not in raw:
        used.add("output_image_mtok")
    return used


def hosted_tokens(usage: Usage) -> bool:
    """Whether a hosted tool used tokens of another model, which stand beside the usage."""
    if _TOOLS not in (usage.usage_raw or ""):
        return False
    tools = _raw(usage).get(_TOOLS)
    return isinstance(tools, dict) and bool(_at(tools, "image_gen", "total_tokens"))


def _raw(usage: Usage) -> dict[str, object]:
    """The wire's usage object; masking may have broken it."""
    try:
        raw = json.loads(usage.usage_raw or "{}")
    except (ValueError, RecursionError):
        return {}
    return raw if isinstance(raw, dict) else {}


def _at(raw: dict[str, object], name: str, count: str) -> object:
    inner = raw.get(name)
    return inner.get(count) if isinstance(inner, dict) else None
