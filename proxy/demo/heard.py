"""What a client makes of an answer: blocks, why it ended, whether to try again."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field

from proxy.demo.shapes import Block, Json

_CALL = {"id", "name", "input"}
_DELTAS = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature"}


@dataclass
class Heard:
    """One answer, as far as it came."""

    status: int | None = None
    """`None` when there was no answer."""
    blocks: list[Block] = field(default_factory=list)
    complete: bool = False
    """Whether the answer came to its proper end."""
    aborted: bool = False
    """Whether we stopped listening on purpose."""
    retry_after: float = 0.0
    """Seconds the answer asked us to wait."""
    limit_reached: bool = False
    """Whether a window is used up, so that trying again is no use."""

    @property
    def worth_another_try(self) -> bool:
        """Whether a client would send the same again."""
        if self.aborted or self.complete or self.limit_reached:
            return False
        return self.status is None or self.status in (200, 408, 409, 429) or self.status >= 500

    @property
    def calls(self) -> list[Block]:
        """The client's tools that were called."""
        return [block for block in self.blocks if block.get("type") == "tool_use" and block.keys() >= _CALL]

    @property
    def text(self) -> str:
        """All text blocks as one."""
        return "".join(str(block.get("text", "")) for block in self.blocks if block.get("type") == "text")


def read_answer(heard: Heard, body: bytes, content_type: str) -> Heard:
    """Fill in what a decoded body says; what cannot be read is left out."""
    if content_type.startswith("text/event-stream"):
        with contextlib.suppress(LookupError, TypeError, AttributeError):
            _read_stream(heard, body)
    elif heard.status == 200:
        message = _json(body.decode("utf-8", "replace"))
        if isinstance(message, dict) and "usage" in message:
            heard.blocks, heard.complete = message.get("content") or [], True
    return heard


def _read_stream(heard: Heard, body: bytes) -> None:
    written: dict[int, str] = {}
    for event in _events(body):
        kind, index = event.get("type"), event.get("index", -1)
        if kind == "content_block_start":
            heard.blocks.append(dict(event["content_block"]))
        elif kind == "content_block_delta" and 0 <= index < len(heard.blocks):
            _append(heard.blocks[index], event["delta"], written, index)
        elif kind == "message_stop":
            heard.complete = True
    for index, text in written.items():
        heard.blocks[index]["input"] = _json(text) or {}


def _append(block: Block, delta: Block, written: dict[int, str], index: int) -> None:
    if name := _DELTAS.get(delta["type"]):
        block[name] = str(block.get(name, "")) + delta[name]
    elif delta["type"] == "input_json_delta":
        written[index] = written.get(index, "") + delta["partial_json"]


def _events(body: bytes) -> Iterator[Block]:
    for line in body.decode("utf-8", "replace").split("\n"):
        if line.startswith("data:"):
            event = _json(line[5:])
            if isinstance(event, dict):
                yield event


def _json(text: str) -> Json:
    try:
        return json.loads(text)
    except ValueError:
        return None
