"""What the answers of OpenAI's dialect have in common: errors, usage, and how facts are made of them."""

from __future__ import annotations

from abc import ABC, abstractmethod

import msgspec

from proxy.reading.errors import error_facts
from proxy.reading.facts import ResponseFacts, trusted, word
from proxy.reading.jsontext import Json, Unreadable, parse, shaped
from proxy.reading.openai.usage import usage_of
from proxy.reading.problems import Problems
from proxy.reading.sse import Event


class Fields(msgspec.Struct):
    """The fields of answers and events that facts are made of: content is skipped, not read."""

    type: object = None
    id: object = None
    model: object = None
    status: object = None
    choices: object = None
    incomplete_details: object = None
    service_tier: object = None
    usage: object = None
    tool_usage: object = None
    error: object = None
    code: object = None
    message: object = None


def given(raw: msgspec.Raw) -> bool:
    """Whether a field that is read later is there and not null."""
    return bytes(memoryview(raw)[:5]) not in (b"", b"null")


class Answer(ABC):
    """One answer, from its events or its JSON; keeps its content only if asked to."""

    kept = frozenset({"id", "model", "service_tier", "usage", "tool_usage"})
    """Fields that are remembered even without `content`."""
    shape: type[msgspec.Struct] = Fields
    """What is read of a non-stream answer without `content`."""
    settled = False

    def __init__(self, *, content: bool = False) -> None:
        self.problems = Problems()
        self._content = content
        self._fields: dict[str, Json] = {}
        self._error: Json = None
        self._foreign: list[Json] = []
        self._first_token_ms: float | None = None
        self._token_seen = False
        self._known = False
        self._complete: bool | None = None

    @abstractmethod
    def consume(self, event: Event, at_ms: float | None) -> None:
        """Take one event of the stream."""

    def silent(self, data: bytes, at: int) -> int:
        """Return where the events end that are passed over."""
        return at

    @abstractmethod
    def message(self) -> dict[str, Json] | None:
        """Return the answer in the shape of a non-stream one; None when there is none (only with `content`)."""

    @abstractmethod
    def _begin(self, answer: dict[str, Json]) -> None:
        """Take a non-stream answer."""

    @abstractmethod
    def _ended(self) -> bool:
        """Whether the stream came to its end."""

    @abstractmethod
    def _finish_reason(self) -> Json:
        """Why the model stopped, as on the wire."""

    def _calls_tool(self) -> bool | None:
        """Whether the client is to run a tool, where the finish reason cannot say so."""
        return None

    def whole(self, body: bytes) -> None:
        """Take a non-stream answer."""
        try:
            answer = parse(body) if self._content else msgspec.structs.asdict(shaped(body, self.shape))
        except Unreadable as error:
            self.problems.note(str(error))
            self._complete = False if error.cut else None
            return
        self._complete = True
        if not isinstance(answer, dict):
            self.problems.note("the answer is not an object")
            return
        if answer.get("error"):
            self._error = answer
        self._begin(answer)

    def over(self, *, streamed: bool, readable: bool) -> None:
        """Learn that nothing more comes."""
        if not readable:
            self._complete = None
        elif streamed:
            self._complete = self._ended() if self._known or not self._foreign else None

    def facts(self) -> ResponseFacts:
        """Return what is known of the answer."""
        usage = usage_of(
            self._fields.get("usage"),
            self.problems,
            service_tier=self._fields.get("service_tier"),
            tool_usage=self._fields.get("tool_usage"),
        )
        error = error_facts(self._error) if self._error is not None else None
        return ResponseFacts(
            model=self._word("model", self._fields.get("model")),
            message_id=self._word("id", self._fields.get("id")),
            usage=usage,
            usage_source=trusted(usage, complete=self._complete),
            finish_reason=self._word("finish_reason", self._finish_reason()),
            calls_tool=self._calls_tool(),
            error_type=error.type if error else None,
            error_message=error.message if error else None,
            upstream_request_id=error.request_id if error else None,
            first_token_ms=self._first_token_ms,
            complete=self._complete,
            parse_error=self.problems.summary(),
        )

    def _remember(self, said: dict[str, Json]) -> None:
        """Keep what an answer or event says of the whole; null replaces nothing."""
        for name, value in said.items():
            if value is not None and (self._content or name in self.kept):
                self._fields[name] = value

    def _token(self, at_ms: float | None) -> None:
        self._token_seen = True
        self.settled = not self._content
        self._first_token_ms = at_ms

    def _keep_foreign(self, event: Event, payload: Json) -> None:
        """Note an event that this dialect does not have."""
        if self._content or not self._foreign:
            self._foreign.append({"event": event.name, "data": payload if self._content else None})

    def _payload(self, event: Event) -> dict[str, Json] | None:
        try:
            payload = parse(event.data)
        except Unreadable as error:
            self.problems.note(f"{event.name}: {error}")
            return None
        if not isinstance(payload, dict):
            self.problems.note(f"{event.name}: not an object")
            return None
        return payload

    def _rebuilt(self, message: dict[str, Json]) -> dict[str, Json]:
        """The message with what came beside it."""
        error = self._error.get("error", self._error) if isinstance(self._error, dict) else None
        beside: dict[str, Json] = {"error": error, "events": self._foreign or None}
        return message | {name: value for name, value in beside.items() if value is not None}

    def _word(self, name: str, value: Json) -> str | None:
        known = word(value)
        if known is None and value is not None:
            self.problems.note(f"{name} is not a name")
        return known
