"""Content blocks of a message as a reader sees them: text, thinking, tool calls and results, images as placeholders.

Captured JSON may have any shape, so nothing here trusts a type. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from proxy.inspector import formats
from proxy.inspector.code import Part, listing, prose

MAX_TEXT = 20_000
"""Characters of one text that are shown on a page; the exact bytes are a link away."""
LONG_TEXT = 1_500
"""Characters from which thinking, tool results and documents start collapsed."""
MAX_DEPTH = 4
MAX_BLOCKS = 3_000
"""Blocks of one section; a hundred thousand would keep the page's reader waiting for half a minute."""


@dataclass(slots=True)
class Budget:
    """How many characters and blocks a page may still show, so that no captured body makes a page heavy."""

    left: int
    blocks: int = MAX_BLOCKS

    def room(self, wanted: int) -> int:
        """How many of so many blocks may be shown."""
        given = max(0, min(self.blocks, wanted))
        self.blocks -= given
        return given

    def take(self, text: str, most: int = MAX_TEXT) -> tuple[str, int]:
        """The head of a text that may be shown, and how many characters were cut."""
        shown = text[: max(0, min(self.left, most))]
        self.left -= len(shown)
        return shown, len(text) - len(shown)


@dataclass(frozen=True, slots=True)
class Block:
    """One content block."""

    kind: str
    """CSS name: text, thinking, tool-use, tool-result, media or other."""
    label: str
    parts: tuple[Part, ...] = ()
    children: tuple[Block, ...] = ()
    name: str = ""
    """Name of a tool or title of a document."""
    id: str = ""
    tags: tuple[str, ...] = ()
    characters: int = 0
    cut: int = 0
    """Characters that are not shown."""
    collapsed: bool = False
    preview: str = ""


_TOOL_CALLS = {"tool_use": "tool call", "server_tool_use": "server tool call", "mcp_tool_use": "MCP tool call"}


def blocks(content: object, budget: Budget, depth: int = 0) -> tuple[Block, ...]:
    """The blocks of a `content` or `system` value: a string or a list of blocks."""
    if isinstance(content, str):
        return (_text_block(content, (), budget),)
    items = content if isinstance(content, list) else [] if content is None else [content]
    shown = tuple(block(item, budget, depth) for item in items[: budget.room(len(items))])
    return shown if len(shown) == len(items) else (*shown, unshown(len(items) - len(shown), "blocks"))


def unshown(count: int, things: str) -> Block:
    """What stands for things that are too many to be shown."""
    return Block("other", f"{count:,} more {things} are not shown")


def block(value: object, budget: Budget, depth: int = 0) -> Block:
    """One content block of any type; what has no form of its own is shown as JSON."""
    if isinstance(value, str):
        return _text_block(value, (), budget)
    if not isinstance(value, dict) or depth >= MAX_DEPTH:
        return _json_block("other", "content", value, budget)
    kind = text_of(value.get("type"))
    if kind in ("text", "input_text", "output_text"):
        return _text_block(text_of(value.get("text")), _tags(value), budget, _citations(value))
    if kind in ("thinking", "redacted_thinking"):
        return _thinking(value, budget)
    if kind == "refusal":
        return _text_block(text_of(value.get("refusal")), (kind,), budget)
    if kind in _TOOL_CALLS:
        return _tool_call(_TOOL_CALLS[kind], value, budget)
    if kind.endswith("tool_result"):
        return _tool_result(kind, value, budget, depth)
    if kind in ("image", "document", "audio", "image_url", "input_image", "container_upload"):
        return _media(kind, value, budget)
    return _json_block("other", kind or "content", value, budget)


def text_of(value: object) -> str:
    """The value if it is a string, else ""."""
    return value if isinstance(value, str) else ""


def indented(value: object, indent: int | None = 2) -> str:
    """Any decoded JSON, indented, characters as they are."""
    try:
        return json.dumps(value, indent=indent, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return str(type(value).__name__)


def one_line(value: object) -> str:
    """Any decoded JSON in one line."""
    return indented(value, None)


def json_part(value: object, budget: Budget) -> tuple[Part, int]:
    """Decoded JSON as a coloured listing, and how many characters were cut."""
    shown, cut = budget.take(indented(value))
    return listing(shown, "json"), cut


def _text_block(text: str, tags: tuple[str, ...], budget: Budget, children: tuple[Block, ...] = ()) -> Block:
    shown, cut = budget.take(text)
    return Block("text", "text", prose(shown), children, tags=tags, characters=len(text), cut=cut)


def _thinking(value: Mapping[str, object], budget: Budget) -> Block:
    text = text_of(value.get("thinking"))
    if not text:
        hidden = len(text_of(value.get("data")) or text_of(value.get("signature")))
        tag = f"not shown by the model, {hidden:,} characters encrypted" if hidden else "nothing arrived"
        return Block("thinking", "thinking", tags=(tag,))
    shown, cut = budget.take(text)
    return _foldable(Block("thinking", "thinking", prose(shown), characters=len(text), cut=cut), text)


def _tool_call(label: str, value: Mapping[str, object], budget: Budget) -> Block:
    """A call with its input: JSON, or the text that some tools take (and that broken JSON is)."""
    name, id, tags = text_of(value.get("name")), text_of(value.get("id")), _tags(value)
    given = value.get("input") or value.get("partial_json")
    if not isinstance(given, str):
        return _json_block("tool-use", label, value.get("input"), budget, name=name, id=id, tags=tags)
    shown, cut = budget.take(given)
    part = listing(shown, "")
    return Block("tool-use", label, (part,), name=name, id=id, tags=tags, characters=len(given), cut=cut)


def _tool_result(kind: str, value: Mapping[str, object], budget: Budget, depth: int) -> Block:
    content = value.get("content")
    children = blocks(content, budget, depth + 1)
    characters = sum(child.characters for child in children)
    label = "tool result" if kind == "tool_result" else kind.replace("_", " ")
    made = Block(
        "tool-result", label, children=children, id=text_of(value.get("tool_use_id")),
        tags=(("error",) if value.get("is_error") is True else ()) + _tags(value), characters=characters,
    )  # fmt: skip
    return _foldable(made, _first_text(children))


def _media(kind: str, value: Mapping[str, object], budget: Budget) -> Block:
    """A placeholder: media type, size and where it comes from; nothing is fetched or decoded."""
    source = value.get("source", value.get("image_url"))
    source = source if isinstance(source, dict) else {"url": source}
    tags = [text_of(source.get("media_type")), text_of(source.get("type"))]
    encoded = text_of(source.get("data")) if source.get("type") == "base64" else ""
    if encoded:
        tags.append(formats.size(len(encoded) * 3 // 4))
    address = text_of(source.get("url")) or text_of(source.get("file_id"))
    tags.append(address if not address.startswith("data:") else f"{len(address):,} characters of data")
    inline = text_of(source.get("data")) if source.get("type") == "text" else ""
    shown, cut = budget.take(inline)
    made = Block(
        "media", kind.replace("_", " "), prose(shown) if shown else (), name=text_of(value.get("title")),
        tags=(*(tag[:200] for tag in tags if tag), *_tags(value)), characters=len(inline), cut=cut,
    )  # fmt: skip
    return _foldable(made, inline)


def _json_block(
    kind: str, label: str, value: object, budget: Budget, *, name: str = "", id: str = "", tags: tuple[str, ...] = ()
) -> Block:
    part, cut = json_part(value, budget)
    characters = cut + sum(len(piece.text) for piece in part.pieces)
    return Block(kind, label, (part,), name=name, id=id, tags=tags, characters=characters, cut=cut)


def _foldable(made: Block, text: str) -> Block:
    """The same block, collapsed behind its first line when it is long."""
    if made.characters <= LONG_TEXT:
        return made
    return Block(
        made.kind, made.label, made.parts, made.children, made.name, made.id, made.tags,
        made.characters, made.cut, collapsed=True, preview=first_line(text),
    )  # fmt: skip


def first_line(text: str) -> str:
    """The first line that says something, cut to what fits beside a label."""
    line = next((line.strip() for line in text[:2000].splitlines() if line.strip()), "")
    return line if len(line) <= 120 else f"{line[:119]}…"


def _first_text(made: Iterable[Block]) -> str:
    return next((part.pieces[0].text for child in made for part in child.parts if part.pieces), "")


def _tags(value: Mapping[str, object]) -> tuple[str, ...]:
    """A cache breakpoint set on the block."""
    control = value.get("cache_control")
    if not isinstance(control, dict):
        return ()
    return (f"cache {text_of(control.get('ttl')) or '5m'}",)


def _citations(value: Mapping[str, object]) -> tuple[Block, ...]:
    cited = value.get("citations")
    if not isinstance(cited, list) or not cited:
        return ()
    return (_json_block("other", f"{len(cited)} citations", cited, Budget(4000)),)
