"""A message as a chat completion: whole, and in chunks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random

from proxy.demo.answer import Message
from proxy.demo.events import slices, words
from proxy.demo.reply import Frame
from proxy.demo.shapes import Block, Json

FINISH = {"end_turn": "stop", "max_tokens": "length", "tool_use": "tool_calls", "refusal": "stop"}
DONE = Frame(b"data: [DONE]\n\n")


def completion(message: Message) -> Block:
    """The whole answer."""
    blocks = message.answer.blocks
    calls = [{"id": block["id"], "type": "function", "function": function(block)} for block in called(blocks)]
    said: Block = {"role": "assistant", "content": text(blocks) or None, "refusal": refusal(message), "annotations": []}
    if calls:
        said["tool_calls"] = calls
    choice = {"index": 0, "message": said, "logprobs": None, "finish_reason": FINISH[message.answer.stop_reason]}
    return {**_envelope(message, "chat.completion"), "choices": [choice], "usage": usage(message)}


def chunks(message: Message, random: Random, *, with_usage: bool) -> list[Frame]:
    """All chunks of the answer, with `[DONE]`; the usage only if it was asked for."""
    envelope = _envelope(message, "chat.completion.chunk") | ({"usage": None} if with_usage else {})

    def chunk(delta: Block, finish_reason: str | None = None, tokens: float = 0.0) -> Frame:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return framed({**envelope, "choices": [choice]}, tokens)

    frames = [chunk({"role": "assistant", "content": "", "refusal": None})]
    frames += [chunk(delta, tokens=len(str(delta)) / 4) for delta in _deltas(message, random)]
    frames.append(chunk({}, FINISH[message.answer.stop_reason]))
    if with_usage:
        frames.append(framed({**envelope, "choices": [], "usage": usage(message)}))
    return [*frames, DONE]


def framed(payload: Block, tokens: float = 0.0) -> Frame:
    """One chunk as an event without a name."""
    return Frame(f"data: {json.dumps(payload, ensure_ascii=False, separators=(',', ':'))}\n\n".encode(), tokens)


def usage(message: Message) -> Block:
    """Prompt and completion tokens, the cache in the prompt."""
    answer, prompt = message.answer, message.prompt
    total = prompt.total + answer.searched_tokens
    return {
        "prompt_tokens": total,
        "completion_tokens": answer.output_tokens,
        "total_tokens": total + answer.output_tokens,
        "prompt_tokens_details": {"cached_tokens": prompt.cache_read, "audio_tokens": 0, "cache_write_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": answer.thinking_tokens, "audio_tokens": 0},
    }


def text(blocks: list[Block]) -> str:
    """All that is said."""
    return "".join(block["text"] for block in blocks if block["type"] == "text")


def refusal(message: Message) -> str | None:
    """What is said instead of an answer."""
    details = message.answer.stop_details
    return str(details["explanation"]) if details else None


def called(blocks: list[Block]) -> list[Block]:
    """The calls of the client's tools."""
    return [block for block in blocks if block["type"] == "tool_use"]


def function(block: Block) -> Block:
    """Name and arguments of a call."""
    return {"name": block["name"], "arguments": json.dumps(block["input"], ensure_ascii=False)}


def _deltas(message: Message, random: Random) -> Iterator[Block]:
    if refusal(message):
        yield {"refusal": refusal(message)}
    for piece in words(text(message.answer.blocks), random):
        yield {"content": piece}
    for index, block in enumerate(called(message.answer.blocks)):
        call: Json = function(block)
        opening = {"index": index, "id": block["id"], "type": "function", "function": {**call, "arguments": ""}}
        yield {"tool_calls": [opening]}
        for piece in slices(call["arguments"], random):
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


def _envelope(message: Message, kind: str) -> Block:
    return {
        "id": message.id,
        "object": kind,
        "created": 1_795_000_000,
        "model": message.model,
        "service_tier": "default",
        "system_fingerprint": "fp_demo",
    }
