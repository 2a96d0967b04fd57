"""Anthropic's messages: what an answer says of itself, and the whole answer again from its stream.

One class consumes the events for both, so that the facts of a record and the message on its page cannot differ.
Events and blocks: https://docs.claude.com/en/docs/build-with-claude/streaming
"""

from __future__ import annotations

import re

import msgspec

from proxy.reading.anthropic.content import Content
from proxy.reading.anthropic.usage import UsageFrames
from proxy.reading.errors import error_facts
from proxy.reading.facts import ResponseFacts, trusted, word
from proxy.reading.jsontext import Json, Unreadable, parse, shaped
from proxy.reading.problems import Problems
from proxy.reading.sse import Event

_KINDS = frozenset(
    {
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
        "ping",
        "error",
    }
)
_UNREAD = frozenset({"ping", "content_block_stop"})
_UNREAD_LIVE = _UNREAD | {"content_block_start"}
_SILENT = re.compile(rb"(?:event: ?+(?:content_block_(?:start|delta|stop)|ping)\ndata:.*+\n\n)*+")
"""Events that facts do not need once the first token has been seen; with one line of data each."""
_FACTS = ("type", "id", "model", "stop_reason")


class _Answer(msgspec.Struct):
    """The fields of a non-stream answer that facts are made of: the content is skipped, not read."""

    type: object = None
    id: object = None
    model: object = None
    stop_reason: object = None
    usage: object = None
    error: object = None
    message: object = None
    request_id: object = None


class MessageMeaning:
    """One answer of the operation `messages`, from its events or its JSON.

    Without `content` it passes over content once the first token has been seen, and keeps no text.
    """

    settled = False

    def __init__(self, *, content: bool = False) -> None:
        self.problems = Problems()
        self._usage = UsageFrames(self.problems)
        self._content = Content(self.problems) if content else None
        self._unread = _UNREAD if content else _UNREAD_LIVE
        self._message: dict[str, Json] = {}
        self._error: dict[str, Json] | None = None
        self._foreign: list[Json] = []
        self._first_token_ms: float | None = None
        self._token_seen = False
        self._known = self._strange = self._started = self._stopped = False
        self._complete: bool | None = None

    def consume(self, event: Event, at_ms: float | None) -> None:
        """Take one event of the stream."""
        kind = event.name
        if kind in self._unread:
            self._known = True
        elif kind == "message_stop":
            self._known = True
            self._stop()
        elif kind in _KINDS or kind == "message":
            self._read(event, at_ms)
        else:
            self._keep_foreign(event)

    def silent(self, data: bytes, at: int) -> int:
        """Return where the events end that are passed over."""
        passed = _SILENT.match(data, at)
        return at if passed is None else passed.end()

    def whole(self, body: bytes) -> None:
        """Take a non-stream answer."""
        try:
            answer = parse(body) if self._content else msgspec.structs.asdict(shaped(body, _Answer))
        except Unreadable as error:
            self.problems.note(str(error))
            self._complete = False if error.cut else None
            return
        self._complete = True
        if not isinstance(answer, dict):
            self.problems.note("the answer is not an object")
        elif answer.get("error") is not None or answer.get("type") == "error":
            self._error = answer
        else:
            self._begin(answer)

    def over(self, *, streamed: bool, readable: bool) -> None:
        """Learn that nothing more comes."""
        if not readable:
            self._complete = None
        elif streamed:
            whole = self._stopped and self._error is None
            self._complete = None if self._strange and not self._known else whole

    def facts(self) -> ResponseFacts:
        """Return what is known of the answer."""
        usage = self._usage.usage()
        error = None if self._error is None else error_facts(self._error)
        return ResponseFacts(
            model=self._word("model"),
            message_id=self._word("id"),
            usage=usage,
            usage_source=trusted(usage, complete=self._complete),
            finish_reason=self._word("stop_reason"),
            error_type=error.type if error else None,
            error_message=error.message if error else None,
            upstream_request_id=error.request_id if error else None,
            first_token_ms=self._first_token_ms,
            complete=self._complete,
            parse_error=self.problems.summary(),
        )

    def message(self) -> dict[str, Json] | None:
        """Return the answer in the shape of a non-stream one; None when there is none (only with `content`)."""
        blocks = self._content.blocks() if self._content else []
        if not self._message and not blocks:
            return None
        rebuilt: dict[str, Json] = dict(self._message)
        if blocks or not isinstance(rebuilt.get("content"), list):
            rebuilt["content"] = blocks
        if self._usage.raw:
            rebuilt["usage"] = self._usage.raw
        if self._error is not None:
            rebuilt["error"] = self._error.get("error")
        if self._foreign:
            rebuilt["events"] = self._foreign
        return rebuilt

    def _read(self, event: Event, at_ms: float | None) -> None:
        try:
            payload = parse(event.data)
        except Unreadable as error:
            self.problems.note(f"{event.name}: {error}")
            return
        if not isinstance(payload, dict):
            self.problems.note(f"{event.name}: not an object")
            return
        said = payload.get("type")
        kind = said if event.name == "message" and isinstance(said, str) else event.name
        if kind not in _KINDS:
            self._keep_foreign(event)
            return
        self._known = True
        if self._stopped and kind not in self._unread:
            self.problems.note("an event after message_stop")
        else:
            self._apply(kind, payload, at_ms)

    def _apply(self, kind: str, payload: dict[str, Json], at_ms: float | None) -> None:
        match kind:
            case "message_start":
                self._start(payload.get("message"))
            case "content_block_start" if self._content:
                self._content.start(payload.get("index"), payload.get("content_block"))
            case "content_block_delta":
                self._delta(payload, at_ms)
            case "message_delta":
                self._change(payload)
            case "message_stop":
                self._stop()
            case "error":
                self._error = payload

    def _start(self, message: Json) -> None:
        if self._started:
            self.problems.note("a second message_start")
        elif isinstance(message, dict):
            self._started = True
            self._begin(message)
        else:
            self.problems.note("message_start without a message")

    def _begin(self, message: dict[str, Json]) -> None:
        self._message = {
            name: value for name, value in message.items() if self._content or (name in _FACTS and value is not None)
        }
        self._usage.add(message.get("usage"))

    def _delta(self, payload: dict[str, Json], at_ms: float | None) -> None:
        delta = payload.get("delta")
        if not isinstance(delta, dict):
            self.problems.note("content_block_delta without a delta")
            return
        if self._content:
            self._content.delta(payload.get("index"), delta)
        if not self._token_seen and not (delta.get("type") == "input_json_delta" and not delta.get("partial_json")):
            self._token_seen = True
            self._first_token_ms = at_ms
            if self._content is None:
                self.settled = True
                self._unread = _UNREAD_LIVE | {"content_block_delta"}

    def _change(self, payload: dict[str, Json]) -> None:
        delta = payload.get("delta")
        changes = dict(delta) if isinstance(delta, dict) else {}
        changes.update((name, value) for name, value in payload.items() if name not in ("type", "delta", "usage"))
        for name, value in changes.items():
            if value is not None and (self._content or name in _FACTS):
                self._message[name] = value
        self._usage.add(payload.get("usage"))

    def _stop(self) -> None:
        if self._stopped:
            self.problems.note("a second message_stop")
        self._stopped = True

    def _keep_foreign(self, event: Event) -> None:
        self._strange = True
        if self._content is None:
            return
        try:
            payload: Json = parse(event.data)
        except Unreadable:
            payload = event.data.decode("utf-8", "replace")
        self._foreign.append({"event": event.name, "data": payload})

    def _word(self, name: str) -> str | None:
        value = self._message.get(name)
        known = word(value)
        if known is None and value is not None:
            self.problems.note(f"{name} is not a name")
        return known
