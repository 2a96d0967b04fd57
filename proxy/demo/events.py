"""An answer as server-sent events in the API's order and framing, padding and pings included."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from proxy.demo.answer import Message
from proxy.demo.shapes import Block, Json

PING_EVERY = 60
"""About every so many content deltas another ping is sent."""


@dataclass(frozen=True)
class Event:
    """One event; `tokens` is the work the model did for it, for the pacing."""

    name: str
    payload: Block
    tokens: float = 0.0


def frame(event: Event, random: Random) -> bytes:
    """The event's bytes, with 0 to 15 spaces before the last brace as the API sends them."""
    if event.name == "ping":
        return b'event: ping\ndata: {"type": "ping"}\n\n'
    text = json.dumps(event.payload, ensure_ascii=False, separators=(",", ":"))
    return f"event: {event.name}\ndata: {text[:-1]}{' ' * random.randrange(16)}}}\n\n".encode()


def stream_events(message: Message, random: Random) -> Iterator[Event]:
    """All events of a complete stream."""
    yield Event("message_start", {"type": "message_start", "message": message.started()})
    sent = 0
    for index, block in enumerate(message.answer.blocks):
        yield _event("content_block_start", index=index, content_block=_opening(block))
        if index == 0:
            yield Event("ping", {})
        for delta in _deltas(block, random):
            sent += 1
            yield Event("content_block_delta", _payload("content_block_delta", index=index, delta=delta), _work(delta))
            if sent % PING_EVERY == 0:
                yield Event("ping", {})
        yield _event("content_block_stop", index=index)
    answer = message.answer
    ending = {"stop_reason": answer.stop_reason, "stop_sequence": None, "stop_details": answer.stop_details}
    yield _event("message_delta", delta=ending, usage=message.final_usage())
    yield _event("message_stop")


def _event(name: str, **fields: Json) -> Event:
    return Event(name, _payload(name, **fields))


def _payload(name: str, **fields: Json) -> Block:
    return {"type": name, **fields}


def _opening(block: Block) -> Block:
    kind = block["type"]
    if kind == "text":
        return {"type": "text", "text": ""} | ({"citations": []} if block.get("citations") else {})
    if kind == "thinking":
        return {"type": "thinking", "thinking": "", "signature": ""}
    return block | {"input": {}} if "input" in block else block


def _deltas(block: Block, random: Random) -> Iterator[Block]:
    kind = block["type"]
    if kind == "thinking":
        for piece in words(block["thinking"], random):
            yield {"type": "thinking_delta", "thinking": piece}
        yield {"type": "signature_delta", "signature": block["signature"]}
    elif kind == "text":
        for citation in block.get("citations", ()):
            yield {"type": "citations_delta", "citation": citation}
        for piece in words(block["text"], random):
            yield {"type": "text_delta", "text": piece}
    elif "input" in block:
        yield {"type": "input_json_delta", "partial_json": ""}
        text = json.dumps(block["input"], ensure_ascii=False)
        for piece in slices(text, random):
            yield {"type": "input_json_delta", "partial_json": piece}


def words(text: str, random: Random) -> Iterator[str]:
    """`text` in pieces of two to six words, nothing lost."""
    words = text.split(" ")
    words = [word + " " for word in words[:-1]] + words[-1:]
    start = 0
    while start < len(words):
        count = random.randint(2, 6)
        yield "".join(words[start : start + count])
        start += count


def slices(text: str, random: Random) -> Iterator[str]:
    """`text` in pieces of a few characters, nothing lost."""
    start = 0
    while start < len(text):
        length = random.randint(5, 24)
        yield text[start : start + length]
        start += length


def _work(delta: Block) -> float:
    shown = delta.get("text") or delta.get("thinking") or delta.get("partial_json") or ""
    return len(shown) / 4
