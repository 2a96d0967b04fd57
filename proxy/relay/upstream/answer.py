"""Reads answers from the bytes of one upstream connection; knows nothing of sockets.

httptools (llhttp, strict) parses. What it leaves to its caller is decided here: which framing is unambiguous, how large
a head may be, that interim answers are swallowed, and that nothing may follow an answer.
"""

from __future__ import annotations

import httptools

from proxy.relay.headers import NAME

MAX_HEAD = 64 * 1024
"""Most bytes of names and values of an answer's header fields, with those of its interim answers."""
_MAX_UNREAD = 2 * MAX_HEAD
"""Most bytes that may come without completing a head or being part of a body, whatever they are."""
HEARD = 256
"""Bytes kept of what is no HTTP."""
_INTERIM = 16
"""What an interim answer counts besides its fields."""
_FIELD = 4
"""Bytes of a field's colon, space and line end."""


class NotRelayable(Exception):
    """What arrived is no HTTP/1 answer that could be relayed without guessing; `heard` is how it began."""

    def __init__(self, heard: bytes = b"") -> None:
        super().__init__(heard)
        self.heard = heard


class Answer:
    """One answer as far as it has arrived."""

    __slots__ = ("begun", "ended", "headers", "held", "pieces", "reusable", "status", "until_close")

    def __init__(self) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        """Fields in order, names in their own case; nothing in them can split a message."""
        self.begun = False
        """Whether the head is whole."""
        self.ended = False
        """Whether the body is whole by its framing."""
        self.until_close = False
        """Whether the end of the connection is the end of the body."""
        self.reusable = False
        """Whether the connection may carry another request."""
        self.pieces: list[bytes] = []
        """Body bytes that nobody has taken yet."""
        self.held = 0
        """How many those are."""

    def take(self) -> bytes:
        """All body bytes that have arrived; b"" when there are none."""
        pieces = self.pieces
        if not pieces:
            return b""
        taken = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self.pieces = []
        self.held = 0
        return taken

    def put_back(self, taken: bytes) -> None:
        """Nobody has taken them after all."""
        self.pieces = [taken]
        self.held = len(taken)


class AnswerParser:
    """The answers of one connection, one after the other: `expect`, then `feed` until it has ended."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._answer = Answer()
        self._answer.ended = True
        self._bodiless = False
        self._interim = False
        self._size = 0
        self._unread = 0
        self._heard = b""

    def expect(self, method: str) -> Answer:
        """The answer to a request that was just sent with this method."""
        if self._bodiless:
            self._parser = httptools.HttpResponseParser(self)  # it still waits for the body that HEAD never gets
        self._bodiless = method == "HEAD"
        self._interim = False
        self._size = 0
        self._unread = 0
        self._heard = b""
        self._answer = Answer()
        return self._answer

    def feed(self, data: bytes) -> None:
        """Takes the next bytes. Raises NotRelayable, after which the connection is of no more use."""
        answer = self._answer
        held = answer.held
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as exc:
            answer.reusable = False
            if not answer.ended:
                raise NotRelayable((self._heard + data)[:HEARD]) from exc
        if answer.held > held:
            self._unread = 0
            return
        if not answer.begun:
            self._heard = (self._heard + data)[:HEARD]
        self._unread += len(data)
        if self._unread > _MAX_UNREAD and not answer.ended:
            raise NotRelayable(self._heard)

    def end(self) -> None:
        """The other side will send no more."""
        answer = self._answer
        answer.reusable = False
        answer.ended = answer.ended or (answer.begun and answer.until_close)

    def close(self) -> None:
        """Nothing more comes; else parser and callbacks, which hold each other, wait for a garbage collection."""
        del self._parser

    def on_message_begin(self) -> None:
        """Called by httptools, as all that follow."""
        if self._answer.ended:
            raise NotRelayable

    def on_header(self, name: bytes, value: bytes) -> None:
        answer = self._answer
        if answer.begun:
            return
        self._size += len(name) + len(value) + _FIELD
        if self._size > MAX_HEAD:
            raise NotRelayable
        answer.headers.append((name, value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        parser, answer = self._parser, self._answer
        status = parser.get_status_code()
        if 100 <= status < 200 and status != 101:
            self._interim = True
            self._size += _INTERIM
            answer.headers.clear()
            return
        version = parser.get_http_version()
        if not 200 <= status < 600 or version not in ("1.1", "1.0"):
            raise NotRelayable
        answer.status = status
        answer.until_close = not _framed(answer.headers, version) and status not in (204, 304)
        answer.reusable = parser.should_keep_alive()
        answer.ended = self._bodiless
        answer.begun = True

    def on_body(self, body: bytes) -> None:
        answer = self._answer
        if answer.ended:
            raise NotRelayable
        answer.pieces.append(body)
        answer.held += len(body)

    def on_message_complete(self) -> None:
        if self._interim:
            self._interim = False
        else:
            self._answer.ended = True


def _framed(headers: list[tuple[bytes, bytes]], version: str) -> bool:
    """Whether the fields say where the body ends. Raises NotRelayable where readers could disagree about it.

    https://www.rfc-editor.org/rfc/rfc9112#section-6.3; several lengths, and a length beside a coding, stop llhttp.
    """
    names = b"\n".join(map(NAME, headers)).lower().split(b"\n")
    codings = names.count(b"transfer-encoding")
    if codings:
        coding = headers[names.index(b"transfer-encoding")][1]
        if codings > 1 or version != "1.1" or coding.lower() != b"chunked":
            raise NotRelayable
    return codings > 0 or b"content-length" in names
