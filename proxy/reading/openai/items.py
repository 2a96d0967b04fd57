"""The output items of a response, put together from the events of its stream."""

from __future__ import annotations

from proxy.reading.jsontext import Json

MAX_ITEMS = 10_000
_TEXTS = {
    "response.output_text.delta": ("content", "content_index", "text"),
    "response.refusal.delta": ("content", "content_index", "refusal"),
    "response.reasoning_text.delta": ("content", "content_index", "text"),
    "response.reasoning_summary_text.delta": ("summary", "summary_index", "text"),
    "response.function_call_arguments.delta": (None, "", "arguments"),
    "response.mcp_call_arguments.delta": (None, "", "arguments"),
    "response.custom_tool_call_input.delta": (None, "", "input"),
    "response.code_interpreter_call_code.delta": (None, "", "code"),
}
"""Event → the list of the item that it belongs to, the field with the place in that list, and the text that grows."""
_PARTS = {
    "response.content_part.added": ("content", "content_index"),
    "response.reasoning_summary_part.added": ("summary", "summary_index"),
}
_PART_TYPES = {"text": "output_text", "refusal": "refusal"}


class _Item:
    """One item under way: its own object, its parts and the texts that grow, each by place."""

    def __init__(self) -> None:
        self.said: dict[str, Json] = {}
        self.done = False
        self.parts: dict[tuple[str, int], dict[str, Json]] = {}
        self.texts: dict[tuple[str, int, str], list[str]] = {}

    def value(self) -> dict[str, Json]:
        if self.done:
            return self.said
        item = dict(self.said)
        grown: dict[str, dict[int, dict[str, Json]]] = {}
        for (where, place), part in sorted(self.parts.items()):
            grown.setdefault(where, {})[place] = dict(part)
        for (where, place, field), pieces in sorted(self.texts.items()):
            holder = grown.setdefault(where, {}).setdefault(place, _part(where, field, item)) if where else item
            begun = holder.get(field)
            holder[field] = (begun if isinstance(begun, str) else "") + "".join(pieces)
        return item | {where: [parts[place] for place in sorted(parts)] for where, parts in grown.items()}


class Items:
    """Collects the items by their place in the output."""

    def __init__(self) -> None:
        self._items: dict[int, _Item] = {}

    def change(self, kind: str, payload: dict[str, Json]) -> None:
        """Take an event that adds to an item; others change nothing, for a later one repeats what they say."""
        place = _place(payload.get("output_index"))
        if place is None or (place not in self._items and len(self._items) >= MAX_ITEMS):
            return
        if kind in ("response.output_item.added", "response.output_item.done"):
            said = payload.get("item")
            if isinstance(said, dict):
                item = self._items.setdefault(place, _Item())
                item.said, item.done = said, kind.endswith(".done")
        elif kind in _PARTS:
            where, index = _PARTS[kind]
            part, number = payload.get("part"), _place(payload.get(index))
            if isinstance(part, dict) and number is not None:
                self._items.setdefault(place, _Item()).parts[where, number] = part
        elif kind in _TEXTS:
            self._grow(place, kind, payload)

    def output(self) -> list[Json]:
        """Return the items so far, in their order."""
        return [self._items[place].value() for place in sorted(self._items)]

    def _grow(self, place: int, kind: str, payload: dict[str, Json]) -> None:
        where, index, field = _TEXTS[kind]
        delta, number = payload.get("delta"), _place(payload.get(index, 0))
        if isinstance(delta, str) and number is not None:
            texts = self._items.setdefault(place, _Item()).texts
            texts.setdefault((where or "", number if where else 0, field), []).append(delta)


def _part(where: str, field: str, item: dict[str, Json]) -> dict[str, Json]:
    """A part whose beginning is missing."""
    if where == "summary":
        return {"type": "summary_text"}
    kind = "reasoning_text" if item.get("type") == "reasoning" else _PART_TYPES.get(field)
    return {"type": kind}


def _place(value: Json) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
