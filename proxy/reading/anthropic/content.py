"""The content blocks of an Anthropic message, put together from the events of its stream."""

from __future__ import annotations

from proxy.reading.jsontext import Json, Unreadable, parse
from proxy.reading.problems import Problems

_TEXTS = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "compaction_delta": "content",
    "input_json_delta": "partial_json",
}
"""Delta types whose pieces are joined, and the field that carries the piece."""
_BLOCK_OF = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "thinking"}


class Content:
    """Builds blocks in the shape of a non-stream answer; blocks and deltas of unknown types are kept as they came."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._blocks: list[dict[str, Json]] = []
        self._pieces: list[dict[str, list[str]]] = []
        self._open: dict[int, int] = {}

    def start(self, index: Json, block: Json) -> None:
        """Begin a block with its first shape; tool results are whole already."""
        if not isinstance(block, dict):
            self._problems.note("content_block is not an object")
            return
        place = _place(index, len(self._blocks))
        if place in self._open:
            self._problems.note("a content block starts twice")
        self._open[place] = len(self._blocks)
        self._blocks.append(dict(block))
        self._pieces.append({})

    def delta(self, index: Json, delta: Json) -> None:
        """Add a delta to its block; without a start the block is made up from the delta's type."""
        if not isinstance(delta, dict):
            return
        kind = delta.get("type")
        kind = kind if isinstance(kind, str) else ""
        place = _place(index, len(self._blocks) - 1)
        if place not in self._open:
            self._problems.note("a delta without its content block")
            self.start(place, {"type": _BLOCK_OF.get(kind, kind.removesuffix("_delta"))})
        number = self._open[place]
        block = self._blocks[number]
        field = _TEXTS.get(kind)
        piece = delta.get(field) if field else None
        if field and isinstance(piece, str):
            self._pieces[number].setdefault(field, []).append(piece)
        if kind == "compaction_delta":
            _replace(block, delta, "encrypted_content")
        elif kind == "signature_delta":
            _replace(block, delta, "signature")
        elif kind == "citations_delta":
            _append(block, "citations", delta.get("citation"))
        elif not field:
            _append(block, "deltas", delta)

    def blocks(self) -> list[Json]:
        """Return the blocks so far; tool input that is not JSON (yet) stays as text under `partial_json`."""
        return [self._joined(block, pieces) for block, pieces in zip(self._blocks, self._pieces, strict=True)]

    def _joined(self, block: dict[str, Json], pieces: dict[str, list[str]]) -> dict[str, Json]:
        joined = dict(block)
        for field, parts in pieces.items():
            text = "".join(parts)
            if field == "partial_json":
                joined.update(self._tool_input(text))
            else:
                begun = joined.get(field)
                joined[field] = (begun if isinstance(begun, str) else "") + text
        return joined

    def _tool_input(self, text: str) -> dict[str, Json]:
        if not text:
            return {}
        try:
            return {"input": parse(text.encode())}
        except Unreadable:
            self._problems.note("tool input is not JSON")
            return {"partial_json": text}


def _place(index: Json, otherwise: int) -> int:
    return index if isinstance(index, int) and not isinstance(index, bool) else otherwise


def _replace(block: dict[str, Json], delta: dict[str, Json], field: str) -> None:
    if delta.get(field) is not None:
        block[field] = delta[field]


def _append(block: dict[str, Json], field: str, value: Json) -> None:
    known = block.get(field)
    if not isinstance(known, list):
        known = block[field] = []
    known.append(value)
