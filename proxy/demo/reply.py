"""A reply ready to be played: status, header lines, timed pieces of body, and how it ends."""

from __future__ import annotations

import itertools
import json
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random

from proxy.demo.answer import Message
from proxy.demo.events import Event, frame, stream_events
from proxy.demo.failures import error_body
from proxy.demo.scenes import Ending, Scene
from proxy.demo.shapes import Pairs
from proxy.demo.vectors import Vector
from proxy.demo.weight import PromptTokens

TOKENS_PER_SECOND = (("haiku", 140.0), ("opus", 55.0), ("sonnet", 80.0))
OTHER_TOKENS_PER_SECOND = 70.0
OVERLOADED = ("overloaded_error", "Overloaded")


class Close(StrEnum):
    """What happens after the last piece."""

    PROPERLY = "properly"
    CUT = "cut"
    NEVER = "never"


@dataclass(frozen=True)
class Piece:
    """Bytes to send after a pause of so many seconds at speed 1."""

    data: bytes
    pause: float = 0.0


@dataclass(frozen=True)
class Reply:
    """Everything the application has to send."""

    status: int | None
    """`None`: nothing is ever sent."""
    headers: Pairs = field(default_factory=list)
    pieces: Iterable[Piece] = ()
    first_pause: float = 0.0
    """Seconds at speed 1 before the headers."""
    close: Close = Close.PROPERLY


def whole(status: int, headers: Pairs, body: bytes, first_pause: float = 0.0, close: Close = Close.PROPERLY) -> Reply:
    """A reply of known length; one that is cut sends the first half only."""
    lines = [*headers, ("Content-Length", str(len(body)))]
    sent = body[: len(body) // 2] if close is Close.CUT else body
    return Reply(status, lines, [Piece(sent)], first_pause, close)


def message_reply(message: Message, scene: Scene, headers: Pairs, random: Random, *, accepts_gzip: bool) -> Reply:
    """One JSON message."""
    body = json.dumps(message.whole(), ensure_ascii=False, separators=(",", ":")).encode()
    if scene.gzip and accepts_gzip:
        headers = [*headers, ("Content-Encoding", "gzip")]
        body = b"".join(piece.data for piece in _compressed([Piece(body)], finish=True))
    seconds = prompt_seconds(message.prompt, random) + message.answer.output_tokens / _rate(message.model)
    return whole(200, headers, body, seconds, Close.CUT if scene.ending is Ending.CUT else Close.PROPERLY)


def stream_reply(
    message: Message, scene: Scene, headers: Pairs, random: Random, request_id: str, *, accepts_gzip: bool
) -> Reply:
    """A stream of events, ending as the scene says."""
    close = {Ending.CUT: Close.CUT, Ending.STALLED: Close.NEVER}.get(scene.ending, Close.PROPERLY)
    events = list(_ended(list(stream_events(message, random)), scene.ending, request_id))
    pieces: Iterable[Piece] = _timed(events, _rate(message.model), random, cut=close is Close.CUT)
    if scene.gzip and accepts_gzip:
        headers = [*headers, ("Content-Encoding", "gzip")]
        pieces = _compressed(pieces, finish=close is Close.PROPERLY)
    if scene.dripping:
        pieces = _dripping(pieces)
    return Reply(200, headers, pieces, prompt_seconds(message.prompt, random), close)


def vector_reply(vector: Vector) -> Reply:
    """A recorded response, its lines untouched, its body in pieces as events end."""
    ends = [match.end() for match in re.finditer(rb"\n\n", vector.body)]
    cuts = [0, *ends, len(vector.body)]
    pieces = [Piece(vector.body[start:end]) for start, end in itertools.pairwise(cuts) if end > start]
    return Reply(vector.status, list(vector.headers), pieces)


def prompt_seconds(prompt: PromptTokens, random: Random) -> float:
    """How long the model takes to read a prompt, at speed 1."""
    unread = prompt.total - prompt.cache_read
    return random.uniform(0.35, 0.9) + unread / 25_000 + prompt.cache_read / 400_000


def _ended(events: list[Event], ending: Ending, request_id: str) -> Iterator[Event]:
    error = Event("error", error_body(*OVERLOADED, request_id))
    half = max(4, len(events) // 2)
    if ending is Ending.EMPTY:
        return
    if ending is Ending.ERROR_FIRST:
        yield error
    elif ending is Ending.UNFINISHED:
        yield from events[:-2]
    elif ending in (Ending.CUT, Ending.STALLED):
        yield from events[:half]
    elif ending is Ending.ERROR_MIDSTREAM:
        yield from events[:half]
        yield error
    else:
        yield from events


def _timed(events: list[Event], rate: float, random: Random, *, cut: bool) -> Iterator[Piece]:
    for event in events:
        data = frame(event, random)
        if cut and event is events[-1]:
            data = data[: len(data) // 2]
        yield Piece(data, event.tokens / rate * random.uniform(0.6, 1.4))


def _compressed(pieces: Iterable[Piece], *, finish: bool) -> Iterator[Piece]:
    """gzip, flushed after every piece so that nothing waits for the next one."""
    deflater = zlib.compressobj(wbits=31)
    for piece in pieces:
        yield Piece(deflater.compress(piece.data) + deflater.flush(zlib.Z_SYNC_FLUSH), piece.pause)
    if finish:
        yield Piece(deflater.flush())


def _dripping(pieces: Iterable[Piece]) -> Iterator[Piece]:
    for piece in pieces:
        for position in range(len(piece.data)):
            yield Piece(piece.data[position : position + 1], 0.0 if position else piece.pause)


def _rate(model: str) -> float:
    return next((rate for name, rate in TOKENS_PER_SECOND if name in model), OTHER_TOKENS_PER_SECOND)
