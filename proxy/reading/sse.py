"""Server-sent events: bytes in, whole events out, in bounded memory.

The rules are WHATWG's (https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation),
applied to bytes: only CR, LF and CRLF end a line, and what no blank line has completed is never an event.
"""

from __future__ import annotations

from typing import NamedTuple

MAX_EVENT_BYTES = 8 * 1024 * 1024
"""A web page or document arrives whole in one event; nothing known comes near this."""

_BOM = b"\xef\xbb\xbf"
_LINE_COST = 64
_SNIFFED = 16
_FIELDS = (b"event:", b"data:", b"id:", b"retry:", b":")


class Event(NamedTuple):
    """One event as it was dispatched."""

    name: str
    """`message` where the stream names none."""
    data: bytes
    """The data lines, joined by LF."""


class Splitter:
    """Cuts a byte stream into events; where the pieces fed are cut does not matter."""

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self.oversized = 0
        """How many events were dropped because they were larger than the limit."""
        self._limit = max_event_bytes
        self._head: bytes | None = b""
        self._after_cr = False
        self._line = bytearray()
        self._name = ""
        self._data: list[bytes] = []
        self._size = 0
        self._dropping = False

    @property
    def between(self) -> bool:
        """Whether the next byte is the first of a line and of an event."""
        return self._head is None and not (self._line or self._size or self._name or self._after_cr)

    def feed(self, data: bytes) -> list[Event]:
        """Return the events that these bytes complete."""
        if self._head is not None:
            data = self._without_bom(data)
        if self._after_cr and data:
            data = data.removeprefix(b"\n")
            self._after_cr = False
        if b"\r" in data:
            self._after_cr = data.endswith(b"\r")
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines, newline, rest = data.rpartition(b"\n")
        events: list[Event] = []
        if newline:
            if self._line:
                lines = bytes(self._line) + lines
                self._line.clear()
            for line in lines.split(b"\n"):
                self._take(line, events)
        if rest:
            self._hold(rest)
        return events

    def _without_bom(self, data: bytes) -> bytes:
        head = (self._head or b"") + data
        if len(head) < len(_BOM) and _BOM.startswith(head):
            self._head = head
            return b""
        self._head = None
        return head.removeprefix(_BOM)

    def _take(self, line: bytes, events: list[Event]) -> None:
        """Interpret one line without its end."""
        if not line:
            if self._data:
                events.append(Event(self._name or "message", b"\n".join(self._data)))
                self._data = []
            self._name, self._size, self._dropping = "", 0, False
        elif self._size + len(line) > self._limit:
            self._drop()
        elif line.startswith(b"data:"):
            self._add(line[6:] if line[5:6] == b" " else line[5:])
        elif line.startswith(b"event:"):
            self._name = line[6:].removeprefix(b" ").decode("utf-8", "replace")
        elif line == b"data":
            self._add(b"")
        elif line == b"event":
            self._name = ""

    def _add(self, value: bytes) -> None:
        self._size += len(value) + _LINE_COST
        if self._size > self._limit:
            self._drop()
        else:
            self._data.append(value)

    def _hold(self, rest: bytes) -> None:
        """Keep the beginning of a line; when its event is dropped, a comment in its place."""
        if self._dropping or self._size + len(self._line) + len(rest) > self._limit:
            self._drop()
            self._line[:] = b":"
        else:
            self._line += rest

    def _drop(self) -> None:
        self.oversized += not self._dropping
        self._dropping = True
        self._size = self._limit
        self._data = []


def is_stream(head: bytes, content_type: str | None) -> bool | None:
    """Tell from its first bytes, else from its content type, whether a body is an event stream.

    Returns None while the bytes so far could be either.
    """
    head = head[:_SNIFFED]
    text = head.removeprefix(_BOM).lstrip()
    if text[:1] in (b"{", b"["):
        return False
    if text.startswith(_FIELDS):
        return True
    if len(head) < _SNIFFED and (_BOM.startswith(head) or any(field.startswith(text) for field in _FIELDS)):
        return None
    return says_stream(content_type)


def says_stream(content_type: str | None) -> bool:
    """Whether a content type announces an event stream."""
    return content_type is not None and content_type.partition(";")[0].strip().lower() == "text/event-stream"
