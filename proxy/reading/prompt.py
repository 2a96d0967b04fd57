"""The JSON of a request body: its scalar parameters and the sizes of its lists.

Prompts are skipped, not read: of a body of 30 MB no text becomes a string, and nothing is walked in Python but the
messages themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from operator import attrgetter

import msgspec

from proxy.reading.conversation import Message, continued, images, images_in, laid_out
from proxy.reading.facts import PromptFacts, word
from proxy.reading.jsontext import Json, Unreadable, compact, dense, parse, shaped
from proxy.reading.problems import Problems
from proxy.reading.turns import Turn

MAX_PARAMETER_BYTES = 64 * 1024
MAX_USER_ID_CHARS = 4096
MAX_FIELDS = 32
MAX_USUAL_BYTES = 1024 * 1024
_DENSE_ABOVE_BYTES = 4 * 1024 * 1024


_USUAL, _USUAL_BYTES = 256, 1024
"""Parameters that are read once: most requests of a caller have the same."""

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


class _Element(msgspec.Struct, gc=False):
    """Any object."""


class _Usual(_Body, kw_only=True):
    """A body shaped as nearly all are: read in one pass, its texts for a moment in memory."""

    messages: list[Message] = []  # type: ignore[assignment]
    input: list[Message] | msgspec.UnsetType = msgspec.UNSET  # type: ignore[assignment]
    tools: list[_Element] = []  # type: ignore[assignment]


class _Message(msgspec.Struct, gc=False):
    """A message, or an input item, of which a tool's output may hold images too."""

    content: msgspec.Raw = msgspec.Raw()
    output: msgspec.Raw = msgspec.Raw()


_PARAMETERS = tuple(
    name
    for name in _Body.__struct_fields__
    if name not in ("model", "stream", "metadata", "messages", "input", "tools")
)

_parameters_of: Callable[[_Body], tuple[msgspec.Raw, ...]] = attrgetter(*_PARAMETERS)


def prompt_facts(body: bytes, problems: Problems, *, counted: bool, turn: Turn | None = None) -> PromptFacts:
    """Read a JSON body, counting its `messages` (or `input` items) and `tools` if `counted`. Raises Unreadable.

    `turn` is what is known of it.
    """
    if turn is not None and counted:
        turn.prompt = _gone_on(turn)
        if turn.prompt is not None:
            return turn.prompt
    if dense(body, _DENSE_ABOVE_BYTES):
        raise Unreadable("too many objects to read")
    usual = _usual(body) if counted else None
    fields = usual or shaped(body, _Body)
    model = word(fields.model)
    if fields.model is not None and model is None:
        problems.note("model is not a name")
    user_id = fields.metadata.get("user_id") if isinstance(fields.metadata, dict) else None
    facts = PromptFacts(
        readable=True,
        model=model,
        stream=fields.stream if isinstance(fields.stream, bool) else None,
        parameters=_parameters(fields),
        user_id=user_id if isinstance(user_id, str) and len(user_id) <= MAX_USER_ID_CHARS else None,
        **(_counts_at_once(usual) if usual else _counts(fields, problems) if counted else {}),
    )
    if turn is not None and usual and problems.summary() is None:
        turn.prompt = facts
    return facts


def _gone_on(turn: Turn) -> PromptFacts | None:
    """The facts of a body that differs from the one before in its last messages only; None of any other."""
    before = turn.before
    if before is None or before.prompt is None:
        return None
    if before.conversation is None:
        before.conversation = laid_out(before.body)
    close = before.conversation.close + len(turn.body) - len(before.body)
    turn.conversation = continued(before.conversation, turn.body, turn.start, close) if close >= turn.end else None
    if turn.conversation is None:
        return None
    found = turn.conversation
    return msgspec.structs.replace(before.prompt, message_count=len(found.ends), image_count=found.images[-1])


def _usual(body: bytes) -> _Usual | None:
    """Read a body of moderate size and usual shape; None for any other."""
    if len(body) > MAX_USUAL_BYTES:
        return None
    try:
        return msgspec.json.decode(body, type=_Usual)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _counts(fields: _Body, problems: Problems) -> dict[str, int | None]:
    messages = _conversation(fields, problems)
    tools = _elements(fields.tools, "tools", problems)
    return {
        "message_count": None if messages is None else len(messages),
        "tool_count": None if tools is None else len(tools),
        "image_count": None if messages is None else sum(images(one.content) + images(one.output) for one in messages),
    }


def _counts_at_once(fields: _Usual) -> dict[str, int | None]:
    messages: list[Message] = fields.messages if fields.input is msgspec.UNSET else fields.input
    return {
        "message_count": len(messages),
        "tool_count": len(fields.tools),
        "image_count": images_in(messages),
    }


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


def _parameters(fields: _Body) -> str | None:
    sent = [
        (name, bytes(raw))
        for name, raw in zip(_PARAMETERS, _parameters_of(fields), strict=True)
        if raw is not _MISSING and memoryview(raw).nbytes <= MAX_PARAMETER_BYTES
    ]
    if sum([len(raw) for _, raw in sent]) <= _USUAL_BYTES:
        return _told(tuple(sent))
    return _told.__wrapped__(sent)


@lru_cache(_USUAL)
def _told(sent: Sequence[tuple[str, bytes]]) -> str | None:
    told = ((name, _scalars(parse(raw), 2)) for name, raw in sent)
    known: dict[str, Json] = {name: value for name, value in told if value is not None}
    return compact(known) if known else None


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
