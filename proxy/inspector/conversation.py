"""A request body as sections for reading: parameters, system prompt, tools, messages; and an answer as blocks. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from proxy.inspector.blocks import Block, Budget, block, blocks, first_line, json_part, one_line, text_of, unshown
from proxy.inspector.code import Part
from proxy.inspector.openai import choices, told

MAX_SECTION = 300_000
"""Characters shown of the system prompt, of the tools and of the messages, each."""
MAX_PARAMETERS = 500
OPEN_MESSAGES = 6
"""How many of the newest messages start unfolded."""

_SECTIONS = frozenset({"model", "system", "tools", "messages"})


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool definition sent to the model."""

    name: str
    description: str
    kind: str
    """Type of a tool that the provider runs; "" for the client's own."""
    schema: Part | None
    cut: int


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the conversation."""

    number: int
    role: str
    blocks: tuple[Block, ...]
    open: bool
    preview: str


@dataclass(frozen=True, slots=True)
class Conversation:
    """A request as a reader sees it."""

    parameters: tuple[tuple[str, str], ...]
    system: tuple[Block, ...]
    tools: tuple[Tool, ...]
    messages: tuple[Message, ...]

    @property
    def system_characters(self) -> int:
        """Length of the whole system prompt."""
        return sum(part.characters for part in self.system)


def parsed(data: bytes) -> object:
    """The JSON in some bytes; None where it is none or nested too deeply."""
    try:
        value: object = msgspec.json.decode(data)
    except RecursionError:
        return None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _leniently_parsed(data)
    return value


def conversation(request: Mapping[str, object]) -> Conversation:
    """The sections of a decoded request body, in the shape of any dialect."""
    request = told(request)
    return Conversation(
        parameters=_parameters(request),
        system=blocks(request.get("system"), Budget(MAX_SECTION)),
        tools=_tools(request.get("tools")),
        messages=_messages(request.get("messages")),
    )


def answer(message: Mapping[str, object]) -> tuple[Block, ...] | None:
    """The blocks of a complete answer, those of alternatives apart; None for a shape that has none."""
    budget = Budget(MAX_SECTION)
    if isinstance(message.get("content"), list):
        return blocks(message["content"], budget)
    answers = choices(message)
    if answers is None or len(answers) == 1:
        return None if answers is None else blocks(answers[0][1], budget)
    return tuple(
        Block("other", f"choice {number}", children=blocks(said, budget, 1), tags=(finish,) if finish else ())
        for number, (finish, said) in enumerate(answers[: budget.room(len(answers))], 1)
    )


def _leniently_parsed(data: bytes) -> object:
    """JSON with half a surrogate pair, which JavaScript writes and msgspec refuses."""
    try:
        value: object = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return value


def _parameters(request: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    """Model and every other parameter in one line each; long ones are cut."""
    shown = [("model", text_of(request.get("model")))] if "model" in request else []
    for name, value in request.items():
        if name not in _SECTIONS:
            text = value if isinstance(value, str) else one_line(value)
            shown.append((str(name)[:80], text if len(text) <= 400 else f"{text[:399]}…"))
    more = len(shown) - MAX_PARAMETERS
    return (*shown[:MAX_PARAMETERS], (unshown(more, "parameters").label, "")) if more > 0 else tuple(shown)


def _tools(given: object) -> tuple[Tool, ...]:
    if not isinstance(given, list):
        return ()
    budget = Budget(MAX_SECTION)
    shown = tuple(_tool(item, budget) for item in given[: budget.room(len(given))])
    more = len(given) - len(shown)
    return (*shown, Tool(unshown(more, "tools").label, "", "", None, 0)) if more else shown


def _tool(value: object, budget: Budget) -> Tool:
    tool = value if isinstance(value, dict) else {}
    inner = tool.get("function") if isinstance(tool.get("function"), dict) else tool
    assert isinstance(inner, dict)
    schema = inner.get("input_schema", inner.get("parameters"))
    rest = schema if schema is not None else {name: item for name, item in tool.items() if name not in ("name", "type")}
    part, cut = json_part(rest, budget) if rest else (None, 0)
    kind = text_of(tool.get("type"))
    description, more = budget.take(text_of(inner.get("description")))
    name = text_of(inner.get("name")) or kind or "tool"
    return Tool(name, description, "" if kind in ("custom", "function") else kind, part, cut + more)


def _messages(value: object) -> tuple[Message, ...]:
    """All messages; the newest come first to the budget, so that what is cut is old."""
    if not isinstance(value, list):
        return ()
    budget = Budget(MAX_SECTION)
    made: list[Message] = []
    for number in range(len(value), 0, -1):
        if not budget.room(1):
            made.append(Message(number, "", (unshown(number, "messages"),), False, ""))
            break
        made.append(_message(number, value[number - 1], budget, number > len(value) - OPEN_MESSAGES))
    return tuple(reversed(made))


def _message(number: int, value: object, budget: Budget, is_open: bool) -> Message:
    message = value if isinstance(value, dict) else {"content": value}
    shown = blocks(message.get("content"), budget)
    rest = {name: item for name, item in message.items() if name not in ("role", "content")}
    if rest:
        shown = (*shown, block(rest, budget))
    return Message(number, text_of(message.get("role")) or "message", shown, is_open, _preview(shown))


def _preview(shown: tuple[Block, ...]) -> str:
    for candidate in shown:
        pieces = [piece.text for part in candidate.parts for piece in part.pieces]
        if candidate.kind in ("text", "thinking") and pieces:
            return first_line("".join(pieces))
        if candidate.kind in ("tool-use", "tool-result"):
            return f"{candidate.label} {candidate.name or candidate.preview or candidate.id}".strip()
    return shown[0].label if shown else ""
