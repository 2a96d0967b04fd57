"""What a client asked for in OpenAI's dialect, told in the shape that answers are composed from."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace

from proxy.demo.ask import Ask, BadRequestError, read_body
from proxy.demo.shapes import Block, Json

CHAT = "/v1/chat/completions"
RESPONSES = "/v1/responses"
EMBEDDINGS = "/v1/embeddings"
IMAGES = "/v1/images/generations"
PATHS = frozenset({CHAT, RESPONSES, EMBEDDINGS, IMAGES})
DEFAULT_MODEL = "gpt-5"
_NEEDED = {CHAT: "messages", RESPONSES: "input", EMBEDDINGS: "input", IMAGES: "prompt"}


@dataclass(frozen=True)
class OpenAiAsk(Ask):
    """A request with its original body beside the one that answers are composed from."""

    path: str = CHAT
    sent: Block = field(default_factory=dict)

    @property
    def wants_usage(self) -> bool:
        """Whether a chat stream was asked for its usage."""
        options = self.sent.get("stream_options")
        return isinstance(options, dict) and options.get("include_usage") is True


def read(path: str, raw: bytes, content_encoding: str) -> OpenAiAsk:
    """Read a body as it came over the wire. Raises `BadRequestError` with the API's wording."""
    sent = read_body(raw, content_encoding)
    model = sent.get("model", "gpt-image-2" if path == IMAGES else None)
    if not isinstance(model, str) or not model:
        raise BadRequestError("you must provide a model parameter")
    if not sent.get(_NEEDED[path]):
        raise BadRequestError(f"Missing required parameter: '{_NEEDED[path]}'.")
    most = next(
        (sent[name] for name in ("max_completion_tokens", "max_output_tokens", "max_tokens") if sent.get(name)), 0
    )
    ask = OpenAiAsk(told(path, sent), model, most if isinstance(most, int) else 0, sent.get("stream") is True)
    return replace(ask, path=path, sent=sent)


def glance(path: str, raw: bytes, content_encoding: str) -> OpenAiAsk:
    """The same without complaints, for a scene that is played whatever the body looks like."""
    try:
        return read(path, raw, content_encoding)
    except BadRequestError:
        return OpenAiAsk(model=DEFAULT_MODEL, path=path)


def told(path: str, sent: Block) -> Block:
    """The request in Anthropic's shape, as far as answers depend on it; what is long enough is cached."""
    given = sent.get("messages" if path == CHAT else "input", [])
    items = given if isinstance(given, list) else [given]
    messages = [_message(item) for item in items if isinstance(item, dict)]
    messages += [{"role": "user", "content": item} for item in items if isinstance(item, str)]
    return {
        "system": [text for text in (sent.get("instructions"), sent.get("prompt")) if isinstance(text, str)],
        "tools": [_tool(tool) for tool in sent.get("tools") or [] if isinstance(tool, dict)],
        "messages": messages,
        "thinking": {"type": "adaptive"} if sent.get("reasoning_effort") or sent.get("reasoning") else None,
        "cache_control": {"type": "ephemeral"},
    }


def _message(item: Block) -> Block:
    if item.get("role") == "tool" or item.get("type") == "function_call_output":
        output = item.get("content", item.get("output"))
        call = item.get("tool_call_id", item.get("call_id"))
        return {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call, "content": _blocks(output)}]}
    if item.get("type") == "function_call":
        return {"role": "assistant", "content": [_call(item)]}
    calls = [_call(call.get("function") or {}) for call in item.get("tool_calls") or [] if isinstance(call, dict)]
    role = "assistant" if item.get("role") == "assistant" else "user"
    return {"role": role, "content": [*_blocks(item.get("content")), *calls]}


def _blocks(content: Json) -> list[Block]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    parts = [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []
    return [{"type": "text", "text": part["text"]} if "text" in part else {"type": "image"} for part in parts]


def _call(function: Block) -> Block:
    try:
        arguments = json.loads(str(function.get("arguments")))
    except ValueError:
        arguments = {}
    return {"type": "tool_use", "name": function.get("name"), "input": arguments}


def _tool(tool: Block) -> Block:
    named = tool.get("function")
    inner = named if isinstance(named, dict) else tool
    return {"name": inner.get("name"), "input_schema": inner.get("parameters") or {"type": "object"}}
