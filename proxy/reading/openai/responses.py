"""Responses: what an answer says of itself, and the whole answer again from its events.

https://platform.openai.com/docs/api-reference/responses-streaming
"""

from __future__ import annotations

import re

import msgspec

from proxy.reading.jsontext import Json, Unreadable, shaped
from proxy.reading.openai.answer import Answer, Fields, given
from proxy.reading.openai.items import Items
from proxy.reading.sse import Event

TERMINAL = frozenset({"response.completed", "response.incomplete", "response.failed", "response.cancelled"})
_OPENING = frozenset({"response.created", "response.queued", "response.in_progress"})
_TOKENS = frozenset(
    {
        "response.output_text.delta",
        "response.function_call_arguments.delta",
        "response.reasoning_text.delta",
        "response.reasoning_summary_text.delta",
        "response.refusal.delta",
        "response.custom_tool_call_input.delta",
        "response.mcp_call_arguments.delta",
        "response.code_interpreter_call_code.delta",
        "response.audio.delta",
        "response.audio.transcript.delta",
    }
)
_REPORTING = TERMINAL | {"response.created", "error"}
_SILENT = re.compile(
    rb"(?:event: ?+(?:response\.(?!(?:completed|incomplete|failed|cancelled|created)\n).*+|keepalive)\ndata:.*+\n\n)*+"
)
"""Events that facts do not need once the first token has been seen: those of the dialect that are not reporting."""
_CALLS = frozenset(
    {"function_call", "custom_tool_call", "computer_call", "local_shell_call", "shell_call", "apply_patch_call"}
)
"""Items of an output that ask the client to do something; the other tools run at the provider."""
_UNNAMED = "message"
"""The name of events that have none; then the type stands in the data alone."""
_UNDECIDED = frozenset({"queued", "in_progress"})


class _Event(msgspec.Struct):
    """What facts are made of: instructions, tools and output are skipped."""

    type: object = None
    code: object = None
    message: object = None
    error: object = None
    delta: object = None
    response: msgspec.Raw = msgspec.Raw()


class _Response(Fields):
    """A response whose output is read only for the types of its items."""

    output: msgspec.Raw = msgspec.Raw()


class _Item(msgspec.Struct):
    type: object = None


class ResponsesMeaning(Answer):
    """One answer of the operation `responses`.

    Without `content` events after the first token are passed over, but for the last.
    """

    kept = Answer.kept | {"status", "incomplete_details"}
    shape = _Response

    def __init__(self, *, content: bool = False) -> None:
        super().__init__(content=content)
        self._items = Items()
        self._stopped = False
        self._calls: bool | None = None
        self._body: dict[str, Json] | None = None

    def consume(self, event: Event, at_ms: float | None) -> None:
        """Take one event of the stream."""
        if self._content or event.name in _REPORTING:
            self._read(event, at_ms)
        elif event.name == _UNNAMED:
            if not self._token_seen or b'"response":' in event.data or b'"error"' in event.data:
                self._read(event, at_ms)
        elif event.name in _TOKENS:
            self._known = True
            if not self._token_seen:
                self._read(event, at_ms)
        elif event.name.startswith("response.") or event.name == "keepalive":
            self._known = True
        else:
            self._keep_foreign(event, None)

    def silent(self, data: bytes, at: int) -> int:
        """Return where the events end that are passed over."""
        passed = _SILENT.match(data, at)
        return at if passed is None else passed.end()

    def message(self) -> dict[str, Json] | None:
        """Return the response; where its last event is missing, with the output that had come."""
        if self._body is not None:
            return self._body if "output" in self._body else None
        output = self._items.output()
        if not self._fields and not output:
            return None
        known = self._fields.get("output")
        return self._rebuilt(self._fields | {"output": known or output})

    def _begin(self, answer: dict[str, Json]) -> None:
        self._body = answer
        self._settle(answer)

    def _settle(self, response: dict[str, Json]) -> None:
        """Take the response object itself, as it is now; a failure stands in it."""
        self._remember(response)
        if response.get("status") == "completed":
            self._calls = _asks(response.get("output"))
        if response.get("status") == "failed" and self._error is None:
            self._error = {"error": response.get("error")}

    def _ended(self) -> bool:
        return self._stopped

    def _calls_tool(self) -> bool | None:
        return self._calls

    def _finish_reason(self) -> Json:
        status, details = self._fields.get("status"), self._fields.get("incomplete_details")
        if status == "incomplete" and isinstance(details, dict) and details.get("reason"):
            return details["reason"]
        return None if isinstance(status, str) and status in _UNDECIDED else status

    def _read(self, event: Event, at_ms: float | None) -> None:
        payload = self._payload(event) if self._content else self._outline(event)
        if payload is None:
            return
        said = payload.get("type")
        kind = said if event.name == _UNNAMED and isinstance(said, str) else event.name
        if self._stopped and kind != "keepalive":
            self.problems.note("an event after the last one")
        elif kind == "error" or (kind == _UNNAMED and payload.get("error")):
            self._known = True
            self._error = payload
        elif kind in TERMINAL or kind in _OPENING:
            self._known = True
            self._stopped = kind in TERMINAL
            self._report(payload.get("response"), kind)
        elif kind.startswith("response."):
            self._known = True
            self._progress(kind, payload, at_ms)
        elif kind != "keepalive":
            self._keep_foreign(event, payload)

    def _outline(self, event: Event) -> dict[str, Json] | None:
        """The event without what facts do not need; None when it is unreadable."""
        try:
            outlined = shaped(event.data, _Event)
            raw = outlined.response
            response = msgspec.structs.asdict(shaped(raw, _Response)) if given(raw) else None
        except Unreadable as error:
            self.problems.note(f"{event.name}: {error}")
            return None
        return {**msgspec.structs.asdict(outlined), "response": response}

    def _report(self, response: Json, kind: str) -> None:
        if isinstance(response, dict):
            self._settle(response)
        else:
            self.problems.note(f"{kind} without a response")
        if kind == "response.failed" and self._error is None:
            self._error = {}

    def _progress(self, kind: str, payload: dict[str, Json], at_ms: float | None) -> None:
        if kind in _TOKENS and not self._token_seen and payload.get("delta"):
            self._token(at_ms)
        if self._content:
            self._items.change(kind, payload)


def _asks(output: Json | msgspec.Raw) -> bool | None:
    """Whether an output that is not read otherwise has a call that the client is to answer; None if it is no output."""
    if not isinstance(output, msgspec.Raw) or not given(output):
        return None
    try:
        kinds = [item.type for item in shaped(output, list[_Item])]
    except Unreadable:
        return None
    return any(isinstance(kind, str) and kind in _CALLS for kind in kinds)
