"""Chat completions: what an answer says of itself, and the whole answer again from its chunks.

https://platform.openai.com/docs/api-reference/chat-streaming
"""

from __future__ import annotations

import re

import msgspec

from proxy.reading.jsontext import Json, Unreadable, shaped
from proxy.reading.openai.answer import Answer, given
from proxy.reading.openai.deltas import Grown
from proxy.reading.sse import Event

MAX_CHOICES = 128
DONE = b"[DONE]"
_TELLING = re.compile(rb'"(?:(?:finish_reason|usage|error)"\s*:\s*[^\sn]|index"\s*:\s*[1-9])')
"""What a chunk after the first token must hold to say something new: a value that is not null, or a further choice.

The quotation marks of a text are escaped, so that no text can look like this; what does by chance is only parsed.
"""
_CHUNKS = re.compile(rb"(?:data: ?+(?!\[DONE\]\n).*+\n\n)*+")
_LOOK_AHEAD = 8 * 1024
_TEXTS = ("content", "refusal", "reasoning_content", "reasoning")
_CHUNK = frozenset({"choices", "usage"})


class _Choice(msgspec.Struct):
    index: object = None
    finish_reason: object = None


class _Completion(msgspec.Struct):
    """What facts of a non-stream answer are made of."""

    id: object = None
    model: object = None
    service_tier: object = None
    usage: object = None
    error: object = None
    message: object = None
    choices: msgspec.Raw = msgspec.Raw()


class ChatMeaning(Answer):
    """One answer of the operation `chat`.

    Without `content` a chunk after the first token costs a scan of its bytes unless it says something new.
    """

    shape = _Completion

    def __init__(self, *, content: bool = False) -> None:
        super().__init__(content=content)
        self._finished: dict[int, Json] = {}
        self._grown: dict[int, Grown] = {}
        self._done = self._usage_promised = False
        self._body: dict[str, Json] | None = None

    def consume(self, event: Event, at_ms: float | None) -> None:
        """Take one chunk."""
        if event.data == DONE:
            self._done = self._known = True
        elif self._done:
            self.problems.note("a chunk after [DONE]")
        elif self._content or not self._token_seen or event.name != "message" or _TELLING.search(event.data):
            self._read(event, at_ms)

    def silent(self, data: bytes, at: int) -> int:
        """Return where the chunks end that say nothing new."""
        passed = None if self._done else _CHUNKS.match(data, at, at + _LOOK_AHEAD)
        if passed is None:
            return at
        telling = _TELLING.search(data, at, passed.end())
        return passed.end() if telling is None else max(at, data.rfind(b"\n", at, telling.start()) + 1)

    def message(self) -> dict[str, Json] | None:
        """Return the completion; the deltas of each choice become its `message`."""
        if self._body is not None:
            return self._body if "choices" in self._body else None
        if not self._fields and not self._grown:
            return None
        choices: list[Json] = [self._choice(index) for index in sorted(self._grown)]
        return self._rebuilt(self._fields | {"object": "chat.completion", "choices": choices})

    def _choice(self, index: int) -> dict[str, Json]:
        choice = self._grown[index].value()
        said = choice.pop("delta", {})
        return {"index": index, "message": said, **choice, "finish_reason": self._finished.get(index)}

    def _begin(self, answer: dict[str, Json]) -> None:
        self._body = answer
        self._remember(answer)
        choices = answer.get("choices")
        if isinstance(choices, msgspec.Raw):
            choices = self._outline(choices)
        self._take(choices, None)

    def _outline(self, raw: msgspec.Raw) -> Json:
        if not given(raw):
            return None
        try:
            return [msgspec.structs.asdict(choice) for choice in shaped(raw, list[_Choice])]
        except Unreadable as error:
            self.problems.note(f"choices: {error}")
            return None

    def _ended(self) -> bool:
        """Whether nothing is missing.

        `[DONE]` says so. Some servers never send it: theirs is whole when each choice has told why it finished and
        the usage has come, if the chunks announced one by `"usage": null` (else it could not come). A connection that
        breaks is noticed below HTTP.
        """
        if self._error is not None:
            return False
        finished = bool(self._finished) and None not in self._finished.values()
        return self._done or (finished and ("usage" in self._fields or not self._usage_promised))

    def _finish_reason(self) -> Json:
        return self._finished[min(self._finished)] if self._finished else None

    def _read(self, event: Event, at_ms: float | None) -> None:
        chunk = self._payload(event)
        if chunk is None:
            return
        error = chunk.get("error")
        if error or event.name == "error":
            self._known = True
            self._error = chunk
        if _CHUNK & chunk.keys():
            self._known = True
            self._usage_promised = self._usage_promised or "usage" in chunk
            self._remember({name: value for name, value in chunk.items() if name not in ("choices", "error")})
            self._take(chunk.get("choices"), at_ms)
        elif not error and event.name != "error":
            self._keep_foreign(event, chunk)

    def _take(self, choices: Json, at_ms: float | None) -> None:
        if choices is not None and not isinstance(choices, list):
            self.problems.note("choices is not a list")
            return
        for choice in choices or ():
            index = choice.get("index") or 0 if isinstance(choice, dict) else None
            room = len(self._finished) < MAX_CHOICES or index in self._finished
            if isinstance(choice, dict) and isinstance(index, int) and room:
                self._change(index, choice, at_ms)
            else:
                self.problems.note("a choice that is none")

    def _change(self, index: int, choice: dict[str, Json], at_ms: float | None) -> None:
        reason = choice.get("finish_reason") or self._finished.get(index)
        self._finished[index] = reason
        delta = choice.get("delta")
        if isinstance(delta, dict) and not self._token_seen and _speaks(delta):
            self._token(at_ms)
        if self._content and self._body is None:
            said = {name: value for name, value in choice.items() if name not in ("index", "finish_reason")}
            self._grown.setdefault(index, Grown()).add(said)


def _speaks(delta: dict[str, Json]) -> bool:
    """Whether a delta carries content: not the empty texts that open an answer or a tool call."""
    if any(delta.get(name) for name in _TEXTS) or delta.get("audio"):
        return True
    calls = delta.get("tool_calls")
    called: list[Json] = [delta.get("function_call")]
    for call in calls if isinstance(calls, list) else ():
        called += [call.get("function"), call.get("custom")] if isinstance(call, dict) else []
    return any(one.get("arguments") or one.get("input") for one in called if isinstance(one, dict))
