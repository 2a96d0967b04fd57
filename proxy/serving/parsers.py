"""uvicorn's two parsers as both ports use them: as strict as can be, and refusing with the status that fits."""

from __future__ import annotations

import asyncio
import re
import sys
from typing import Any

import h11
import zttp
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.zttp_impl import ZttpProtocol

from proxy.serving.answers import for_old_client, refuse
from proxy.serving.joining import Joined

LONGEST_LINE = 16_384
"""What zttp takes of a request line, and of each header, in bytes."""
MOST_AHEAD = 65_536
"""Bytes of further requests that may wait until the one under way is answered."""

_TAIL = 16
"""Bytes by which the end of a request is known."""
_TOO_LARGE = "message exceeded configured size limit"
_BARE_LINE_FEED = re.compile(rb"(?<!\r)\n")
_FOLDED = re.compile(rb"\r\n[ \t]")
_LENGTH = re.compile(rb"\r\ncontent-length[ \t]*:([^\r\n]*)", re.IGNORECASE)


class Zttp(ZttpProtocol):
    """zttp, the default: strict and fast."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.access_log = False  # it asks who listens to the log, not what was configured
        self.opened = self.loop.time()
        self._arriving = b""
        self._head = 0
        self._line_ended = False
        self._ahead = 0
        self._end = b""
        self._judged: object = None
        self._begun = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.transport = Joined(transport, self.loop)  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        before = self.cycle
        self._arriving = data
        super().data_received(data)
        self._arriving = b""
        self._look_behind(data)
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            self._head += len(data)
            self._line_ended = self._line_ended or b"\n" in data
            return
        self._head, self._line_ended = 0, False
        if cycle is before and not cycle.more_body:
            self._hold_back(len(data))
        else:
            self._ahead = 0

    def handle_events(self, event: zttp.Event) -> None:
        try:
            super().handle_events(event)
        except UnicodeDecodeError:  # it reads targets and methods as ASCII without a net
            self.handle_remote_protocol_error()
        for_old_client(self.cycle)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle is not self._judged:
            self._look_behind(b"")
        if self._begun:
            self._unset_keepalive_if_required()

    def send_400_response(self, msg: str) -> None:
        status = 400
        if str(sys.exception()) == _TOO_LARGE:
            line = self._arriving.find(b"\n", 0, LONGEST_LINE - self._head)
            status = 431 if self._line_ended or line >= 0 else 414
        refuse(self, status)

    def _look_behind(self, data: bytes) -> None:
        """Whether a further head has begun behind the last whole request; zttp does not tell what it keeps.

        Where nothing came behind it, the last bytes are an empty line or the end of its body.
        """
        self._end = (self._end + data)[-_TAIL:] if len(data) < _TAIL else data[-_TAIL:]
        cycle = self.cycle
        if cycle is None or cycle.more_body:
            self._begun = False
        elif cycle is self._judged:
            self._begun = self._begun or bool(data)
        else:
            self._judged = cycle
            ended = self._end.endswith(b"\r\n\r\n") or (cycle.body and self._end.endswith(cycle.body[-_TAIL:]))
            self._begun = not ended

    def _hold_back(self, size: int) -> None:
        """zttp would keep 8 MiB of further requests; who sends that much ahead is no longer watched, but waits."""
        self._ahead += size
        if self._ahead > MOST_AHEAD:
            self.flow.pause_reading()


class H11(H11Protocol):
    """h11, the fallback: pure Python, and lenient by itself."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.access_log = False
        self.opened = self.loop.time()
        self.conn = Strict(h11.SERVER, self.config.h11_max_incomplete_event_size or MOST_AHEAD)

    def handle_events(self) -> None:
        super().handle_events()
        for_old_client(self.cycle)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.conn.trailing_data[0]:  # a further head has begun
            self._unset_keepalive_if_required()

    def send_400_response(self, msg: str) -> None:
        error = sys.exception()
        status = error.error_status_hint if isinstance(error, h11.RemoteProtocolError) else 400
        if status == 431 and self.cycle is not None and self.cycle.more_body:
            status = 400  # what is too large is no head but part of a chunked body
        elif status == 431 and b"\n" not in self.conn.trailing_data[0]:
            status = 414
        refuse(self, status)


class Strict(h11.Connection):
    """Refuses what h11 repairs silently: bare line feeds, folded headers, several lengths."""

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        if self.their_state is h11.IDLE:
            _check_head(self.trailing_data[0].partition(b"\r\n\r\n")[0])
        return super().next_event()


def _check_head(head: bytes) -> None:
    lengths: list[bytes] = _LENGTH.findall(head)
    several = len(lengths) > 1 or any(b"," in each for each in lengths)
    if several or _BARE_LINE_FEED.search(head) or _FOLDED.search(head):
        raise h11.RemoteProtocolError("ambiguous head", error_status_hint=400)
