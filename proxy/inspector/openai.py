"""Requests and answers in OpenAI's shapes, told in the content blocks that the pages show.

Chat and responses become messages with text, thinking, tool calls, tool results and media; what has no form of its own
stays as it is and is shown as JSON. Captured JSON may have any shape, so nothing here trusts a type. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from proxy.inspector.blocks import text_of

_DATA_URL = re.compile(r"data:([^;,]{0,100})[^,]{0,100};base64,")
_REASONING = ("reasoning_content", "reasoning")
_MESSAGE = frozenset({"content", "refusal", "tool_calls", "function_call", "tool_call_id", "audio", *_REASONING})
_CALLS = frozenset({"function_call", "custom_tool_call", "mcp_call"})
_TEXTS = frozenset({"text", "input_text", "output_text", "summary_text", "reasoning_text"})

Object = dict[str, object]


def told(request: Mapping[str, object]) -> Mapping[str, object]:
    """A request with its conversation under `messages` and `system`; one in Anthropic's shape stays as it is."""
    if isinstance(request.get("messages"), list):
        return {**request, "messages": [_message(one) for one in _list(request.get("messages"))]}
    conversation = next((name for name in ("input", "prompt") if name in request), None)
    if conversation is None:
        return request
    rest = {name: value for name, value in request.items() if name not in (conversation, "instructions")}
    return {**rest, "system": _parts(request.get("instructions")), "messages": _items(request[conversation])}


def choices(message: Mapping[str, object]) -> list[tuple[str, list[object]]] | None:
    """What an answer says, (finish reason, blocks) for each alternative; None for one in another dialect's shape."""
    if isinstance(message.get("choices"), list):
        answers = [choice for choice in _list(message.get("choices")) if isinstance(choice, dict)]
        return [(text_of(choice.get("finish_reason")), _spoken(choice.get("message"))) for choice in answers]
    if isinstance(message.get("output"), list):
        return [("", [block for item in _list(message.get("output")) for block in _output(item)])]
    if isinstance(message.get("data"), list):
        return [("", [_picture(one) for one in _list(message.get("data"))])]
    return None


def _message(value: object) -> object:
    """One chat message; one without anything of this dialect stays as it is."""
    if not isinstance(value, dict):
        return value
    if not (_MESSAGE - {"content"}) & value.keys():
        return value if isinstance(value.get("content"), str) else {**value, "content": _parts(value.get("content"))}
    rest = {name: part for name, part in value.items() if name not in _MESSAGE}
    if "tool_call_id" not in value:
        return {**rest, "content": _spoken(value)}
    return {**rest, "content": [_result(value.get("tool_call_id"), value.get("content"))]}


def _spoken(value: object) -> list[object]:
    """The blocks of an assistant's message."""
    if not isinstance(value, dict):
        return [] if value is None else [value]
    thoughts = next((text for name in _REASONING if (text := text_of(value.get(name)))), "")
    said: list[object] = [{"type": "thinking", "thinking": thoughts}] if thoughts else []
    content = value.get("content")
    said += _parts(content) if content else []
    if value.get("refusal"):
        said.append({"type": "refusal", "refusal": value["refusal"]})
    if isinstance(value.get("audio"), dict):
        said.append(_part({"type": "output_audio", **_object(value["audio"])}))
    said += [_call(call) for call in _list(value.get("tool_calls"))]
    return [*said, _call({"function": value["function_call"]})] if value.get("function_call") else said


def _items(given: object) -> list[object]:
    """The messages of a response's `input`, of texts to embed, or of an image's prompt."""
    if isinstance(given, list) and all(isinstance(item, dict | str) for item in given):
        return [_item(item) for item in given]
    return [{"role": "user", "content": given if isinstance(given, str) else [given]}]


def _item(item: object) -> object:
    if not isinstance(item, dict):
        return {"role": "user", "content": item}
    kind = text_of(item.get("type"))
    if kind in ("", "message"):
        rest = {name: value for name, value in item.items() if name not in ("content", "type")}
        return {**rest, "content": _parts(item.get("content"))}
    role = "tool" if kind.endswith("_output") else "assistant"
    return {"role": role, "content": _output(item)}


def _output(item: object) -> list[object]:
    """The blocks of one item of a response."""
    if not isinstance(item, dict):
        return [item]
    kind = text_of(item.get("type"))
    if kind == "message":
        return _parts(item.get("content"))
    if kind == "reasoning":
        parts = [*_list(item.get("summary")), *_list(item.get("content"))]
        text = "\n\n".join(text for part in parts if (text := text_of(_object(part).get("text"))))
        return [{"type": "thinking", "thinking": text, "signature": item.get("encrypted_content")}]
    if kind in _CALLS:
        return [_call(item)]
    if kind.endswith("_output"):
        return [_result(item.get("call_id"), item.get("output"))]
    if kind == "image_generation_call" and item.get("result"):
        return [_base64("image", "image", text_of(item.get("result")), text_of(item.get("revised_prompt")))]
    return [item]


def _call(call: object) -> object:
    """A tool call, its arguments as JSON where they are."""
    if not isinstance(call, dict):
        return call
    inner = next((part for name in ("function", "custom") if isinstance(part := call.get(name), dict)), call)
    arguments = inner.get("arguments", inner.get("input"))
    kind = "mcp_tool_use" if call.get("type") == "mcp_call" else "tool_use"
    return {
        "type": kind,
        "id": call.get("call_id", call.get("id")),
        "name": inner.get("name"),
        "input": _json(arguments),
    }


def _result(call_id: object, output: object) -> object:
    return {"type": "tool_result", "tool_use_id": call_id, "content": _parts(output)}


def _parts(content: object) -> list[object]:
    """Content parts as blocks; a text is one."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [_part(part) for part in content] if isinstance(content, list) else [] if content is None else [content]


def _part(part: object) -> object:
    """One content part: text, refusal, or media whose bytes are not shown."""
    if not isinstance(part, dict):
        return part
    kind = text_of(part.get("type"))
    if kind in _TEXTS and part.get("annotations"):
        return {"type": "text", "text": part.get("text"), "citations": part["annotations"]}
    if kind in ("image_url", "input_image"):
        given = part.get("image_url", part.get("file_id"))
        return _linked("image", text_of(_object(given).get("url")) or text_of(given))
    if kind in ("file", "input_file"):
        file = _object(part.get("file")) or part
        title, data = text_of(file.get("filename")), text_of(file.get("file_data"))
        if data and not data.startswith("data:"):
            return _base64("document", "", data, title)
        return _linked("document", data or text_of(file.get("file_url")) or text_of(file.get("file_id")), title)
    if kind in ("input_audio", "output_audio"):
        audio = _object(part.get("input_audio")) or part
        data, format = text_of(audio.get("data")), text_of(audio.get("format")) or "audio"
        return _base64("audio", format, data, text_of(audio.get("transcript")))
    return part


def _picture(one: object) -> object:
    data = text_of(_object(one).get("b64_json"))
    if data:
        return _base64("image", "image", data, text_of(_object(one).get("revised_prompt")))
    address = text_of(_object(one).get("url"))
    return _linked("image", address) if address else one


def _linked(kind: str, address: str, title: str = "") -> object:
    embedded = _DATA_URL.match(address)
    if embedded:
        return _base64(kind, embedded[1], address[embedded.end() :], title)
    return {"type": kind, "title": title, "source": {"type": "url" if "://" in address else "file", "url": address}}


def _base64(kind: str, media_type: str, data: str, title: str = "") -> object:
    return {"type": kind, "title": title, "source": {"type": "base64", "media_type": media_type, "data": data}}


def _json(arguments: object) -> object:
    if not isinstance(arguments, str):
        return arguments
    try:
        value: object = msgspec.json.decode(arguments)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return arguments
    return value if isinstance(value, dict | list) else arguments


def _object(value: object) -> Object:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
