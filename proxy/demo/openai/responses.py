"""A message as a response: whole, and as events."""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random

from proxy.demo.answer import Message
from proxy.demo.events import slices, words
from proxy.demo.openai.chat import called, function, refusal, text
from proxy.demo.reply import Frame
from proxy.demo.shapes import Block, Json

Named = tuple[str, Block, float]
"""Type, fields and work of one event."""


def response(message: Message, sent: Block, *, failed: bool = False) -> Block:
    """The whole answer; one that failed keeps its usage."""
    cut = message.answer.stop_reason == "max_tokens"
    status = "failed" if failed else "incomplete" if cut else "completed"
    error = {"code": "server_error", "message": "The server had an error while processing your request."}
    return _outline(message, sent) | {
        "status": status,
        "error": error if failed else None,
        "incomplete_details": {"reason": "max_output_tokens"} if cut and not failed else None,
        "output": [] if failed else _items(message),
        "usage": usage(message),
    }


def events(message: Message, sent: Block, random: Random) -> list[Frame]:
    """All events of the answer; the last one has its usage."""
    last = response(message, sent)
    made = [
        ("response.created", {"response": _outline(message, sent)}, 0.0),
        ("response.in_progress", {"response": _outline(message, sent)}, 0.0),
        *(event for place, item in enumerate(_items(message)) for event in _item_events(place, item, random)),
        (f"response.{last['status']}", {"response": last}, 0.0),
    ]
    return [framed(name, number, fields, tokens) for number, (name, fields, tokens) in enumerate(made)]


def framed(name: str, number: int, fields: Block, tokens: float = 0.0) -> Frame:
    """One event, its name in its data too."""
    data = json.dumps({"type": name, "sequence_number": number, **fields}, ensure_ascii=False, separators=(",", ":"))
    return Frame(f"event: {name}\ndata: {data}\n\n".encode(), tokens)


def usage(message: Message) -> Block:
    """Input and output tokens, the cache in the input."""
    answer, prompt = message.answer, message.prompt
    total = prompt.total + answer.searched_tokens
    return {
        "input_tokens": total,
        "input_tokens_details": {"cached_tokens": prompt.cache_read, "cache_write_tokens": 0},
        "output_tokens": answer.output_tokens,
        "output_tokens_details": {"reasoning_tokens": answer.thinking_tokens},
        "total_tokens": total + answer.output_tokens,
    }


def _items(message: Message) -> list[Block]:
    blocks, stem = message.answer.blocks, message.id.removeprefix("resp_")
    items: list[Block] = []
    for block in blocks:
        if block["type"] == "thinking":
            summary = [{"type": "summary_text", "text": block["thinking"]}]
            items.append({"id": f"rs_{stem}", "type": "reasoning", "summary": summary})
    said, refused = text(blocks), refusal(message)
    if said or refused:
        part: Block = {"type": "output_text", "text": said, "annotations": [], "logprobs": []}
        content = {"type": "refusal", "refusal": refused} if refused else part
        items.append({"id": f"msg_{stem}", "type": "message", "status": "completed", "content": [content]})
        items[-1]["role"] = "assistant"
    for block in called(blocks):
        call = {"id": f"fc_{block['id']}", "type": "function_call", "status": "completed", "call_id": block["id"]}
        items.append(call | function(block))
    return items


def _item_events(place: int, item: Block, random: Random) -> Iterator[Named]:
    at = {"item_id": item["id"], "output_index": place}
    opening: dict[str, Json] = {
        "reasoning": {"summary": []},
        "message": {"content": []},
        "function_call": {"arguments": ""},
    }
    added = {**item, **opening[item["type"]]}
    yield "response.output_item.added", {"output_index": place, "item": added}, 0.0
    if item["type"] == "function_call":
        for piece in slices(item["arguments"], random):
            yield "response.function_call_arguments.delta", {**at, "delta": piece}, len(piece) / 4
        done = {**at, "name": item["name"], "arguments": item["arguments"]}
        yield "response.function_call_arguments.done", done, 0.0
    else:
        yield from _part_events(at, item, random)
    yield "response.output_item.done", {"output_index": place, "item": item}, 0.0


def _part_events(at: Block, item: Block, random: Random) -> Iterator[Named]:
    summary = item["type"] == "reasoning"
    part = item["summary" if summary else "content"][0]
    field = "refusal" if part["type"] == "refusal" else "text"
    where = at | {"summary_index" if summary else "content_index": 0}
    stem = "reasoning_summary_text" if summary else "refusal" if field == "refusal" else "output_text"
    holder = "reasoning_summary_part" if summary else "content_part"
    logprobs: Block = {"logprobs": []} if stem == "output_text" else {}
    yield f"response.{holder}.added", {**where, "part": {**part, field: ""}}, 0.0
    for piece in words(part[field], random):
        yield f"response.{stem}.delta", {**where, "delta": piece, **logprobs}, len(piece) / 4
    yield f"response.{stem}.done", {**where, field: part[field], **logprobs}, 0.0
    yield f"response.{holder}.done", {**where, "part": part}, 0.0


def _outline(message: Message, sent: Block) -> Block:
    """The response as it begins."""
    return {
        "id": message.id,
        "object": "response",
        "created_at": 1_795_000_000,
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "instructions": sent.get("instructions"),
        "model": message.model,
        "output": [],
        "parallel_tool_calls": True,
        "service_tier": "default",
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": sent.get("tools") or [],
        "top_p": 1.0,
        "usage": None,
        "metadata": {},
    }
