"""The JSON of a request body: its scalar parameters and the sizes of its lists.

Prompts are skipped, not read: of a body of 30 MB no text becomes a string, and nothing is walked in Python but the
messages themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter
from typing import cast

import msgspec

from proxy.reading.facts import word
from proxy.reading.jsontext import Json, Unreadable, compact, parse, shaped
from proxy.reading.problems import Problems

MAX_PARAMETER_BYTES = 64 * 1024
MAX_USER_ID_CHARS = 4096
MAX_FIELDS = 32
MAX_USUAL_BYTES = 1024 * 1024
_DENSE_ABOVE_BYTES = 4 * 1024 * 1024
_DENSE_BYTES_PER_OBJECT = 16
"""Bodies that consist of empty objects would take ten times their size; real ones have over 40 bytes per brace."""


_MISSING = msgspec.Raw()


class _Body(msgspec.Struct):
    """The fields that are read; each may be missing or of any type."""

    model: object = None
    stream: object = None
    metadata: object = None
    messages: msgspec.Raw = _MISSING
    input: msgspec.Raw = _MISSING
    tools: msgspec.Raw = _MISSING
    max_tokens: msgspec.Raw = _MISSING
    max_completion_tokens: msgspec.Raw = _MISSING
    max_output_tokens: msgspec.Raw = _MISSING
    thinking: msgspec.Raw = _MISSING
    output_config: msgspec.Raw = _MISSING
    reasoning: msgspec.Raw = _MISSING
    reasoning_effort: msgspec.Raw = _MISSING
    verbosity: msgspec.Raw = _MISSING
    text: msgspec.Raw = _MISSING
    temperature: msgspec.Raw = _MISSING
    top_p: msgspec.Raw = _MISSING
    top_k: msgspec.Raw = _MISSING
    n: msgspec.Raw = _MISSING
    seed: msgspec.Raw = _MISSING
    stream_options: msgspec.Raw = _MISSING
    store: msgspec.Raw = _MISSING
    background: msgspec.Raw = _MISSING
    truncation: msgspec.Raw = _MISSING
    parallel_tool_calls: msgspec.Raw = _MISSING
    previous_response_id: msgspec.Raw = _MISSING
    encoding_format: msgspec.Raw = _MISSING
    dimensions: msgspec.Raw = _MISSING
    size: msgspec.Raw = _MISSING
    quality: msgspec.Raw = _MISSING
    tool_choice: msgspec.Raw = _MISSING
    service_tier: msgspec.Raw = _MISSING
    speed: msgspec.Raw = _MISSING
    inference_geo: msgspec.Raw = _MISSING
    cache_control: msgspec.Raw = _MISSING
    container: msgspec.Raw = _MISSING
    billing_policy: msgspec.Raw = _MISSING


class _Block(msgspec.Struct, gc=False):
    type: str = ""
    content: msgspec.Raw = msgspec.Raw()


class _UsualMessage(msgspec.Struct, gc=False):
    content: str | list[_Block] | None = None
    output: str | list[_Block] | None = None


class _Element(msgspec.Struct, gc=False):
    """Any object."""


class _Usual(_Body, kw_only=True):
    """A body shaped as nearly all are: read in one pass, its texts for a moment in memory."""

    messages: list[_UsualMessage] = []  # type: ignore[assignment]
    input: list[_UsualMessage] | msgspec.UnsetType = msgspec.UNSET  # type: ignore[assignment]
    tools: list[_Element] = []  # type: ignore[assignment]


class _Message(msgspec.Struct, gc=False):
    """A message, or an input item, of which a tool's output may hold images too."""

    content: msgspec.Raw = msgspec.Raw()
    output: msgspec.Raw = msgspec.Raw()


_IMAGES = frozenset({"image", "image_url", "input_image"})
"""Block types of images, in all dialects."""
_PARAMETERS = tuple(
    name
    for name in _Body.__struct_fields__
    if name not in ("model", "stream", "metadata", "messages", "input", "tools")
)

_parameters_of: Callable[[_Body], tuple[msgspec.Raw, ...]] = attrgetter(*_PARAMETERS)


@dataclass(frozen=True, slots=True)
class PromptFacts:
    """Facts of a request body."""

    readable: bool = False
    model: str | None = None
    stream: bool | None = None
    parameters: str | None = None
    message_count: int | None = None
    tool_count: int | None = None
    image_count: int | None = None
    """Image blocks of all messages, those inside tool results included."""
    user_id: str | None = None
    """`metadata.user_id`."""


def prompt_facts(body: bytes, problems: Problems, *, counted: bool) -> PromptFacts:
    """Read a JSON body, counting its `messages` (or `input` items) and `tools` if `counted`. Raises Unreadable."""
    if len(body) > _DENSE_ABOVE_BYTES and body.count(b"{") * _DENSE_BYTES_PER_OBJECT > len(body):
        raise Unreadable("too many objects to read")
    fields = (_usual(body) if counted else None) or shaped(body, _Body)
    model = word(cast(Json, fields.model))
    if fields.model is not None and model is None:
        problems.note("model is not a name")
    user_id = fields.metadata.get("user_id") if isinstance(fields.metadata, dict) else None
    return PromptFacts(
        readable=True,
        model=model,
        stream=fields.stream if isinstance(fields.stream, bool) else None,
        parameters=_parameters(fields),
        user_id=user_id if isinstance(user_id, str) and len(user_id) <= MAX_USER_ID_CHARS else None,
        **(_counts(fields, problems) if counted else {}),
    )


def _usual(body: bytes) -> _Usual | None:
    """Read a body of moderate size and usual shape; None for any other."""
    if len(body) > MAX_USUAL_BYTES:
        return None
    try:
        return msgspec.json.decode(body, type=_Usual)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _counts(fields: _Body, problems: Problems) -> dict[str, int | None]:
    if isinstance(fields, _Usual):
        return _counts_at_once(fields)
    messages = _conversation(fields, problems)
    tools = _elements(fields.tools, "tools", problems)
    return {
        "message_count": None if messages is None else len(messages),
        "tool_count": None if tools is None else len(tools),
        "image_count": None
        if messages is None
        else sum(_images(one.content) + _images(one.output) for one in messages),
    }


def _counts_at_once(fields: _Usual) -> dict[str, int | None]:
    messages: list[_UsualMessage] = fields.messages if isinstance(fields.input, msgspec.UnsetType) else fields.input
    lists = [part for one in messages for part in (one.content, one.output) if type(part) is list]
    blocks: list[_Block] = list(chain.from_iterable(lists))
    images = [_images(block.content, 0) + (block.type in _IMAGES) for block in blocks]
    return {"message_count": len(messages), "tool_count": len(fields.tools), "image_count": sum(images)}


def _conversation(fields: _Body, problems: Problems) -> list[_Message] | None:
    """Return the messages, or input items; an input that is one text is one message."""
    if not _size(fields.input):
        return _elements(fields.messages, "messages", problems)
    if bytes(memoryview(fields.input)[:1]) == b'"':
        return [_Message()]
    return _elements(fields.input, "input", problems)


def _elements(raw: msgspec.Raw, name: str, problems: Problems) -> list[_Message] | None:
    """Return the elements of a list of objects, none when it is missing; None when it is something else."""
    if not _size(raw):
        return []
    try:
        return shaped(raw, list[_Message])
    except Unreadable as error:
        problems.note(f"{name}: {error}")
        return None


def _images(content: msgspec.Raw, depth: int = 1) -> int:
    if bytes(memoryview(content)[:1]) != b"[":
        return 0
    try:
        blocks = shaped(content, list[_Block])
    except Unreadable:
        return 0
    inside = sum(_images(block.content, depth - 1) for block in blocks) if depth else 0
    return inside + sum(block.type in _IMAGES for block in blocks)


def _parameters(fields: _Body) -> str | None:
    sent: dict[str, Json] = {}
    for name, raw in zip(_PARAMETERS, _parameters_of(fields), strict=True):
        if raw is not _MISSING and _size(raw) <= MAX_PARAMETER_BYTES:
            value = _scalars(parse(bytes(raw)), 2)
            if value is not None:
                sent[name] = value
    return compact(sent) if sent else None


def _scalars(value: Json, depth: int) -> Json:
    """Return a parameter without its lists, long strings and deep objects: those are content."""
    if isinstance(value, dict):
        inside = {name: _scalars(part, depth - 1) for name, part in list(value.items())[:MAX_FIELDS] if depth}
        return {word(name) or "": part for name, part in inside.items() if part is not None} or None
    if isinstance(value, str):
        return word(value)
    return None if isinstance(value, list) else value


def _size(raw: msgspec.Raw) -> int:
    return memoryview(raw).nbytes
