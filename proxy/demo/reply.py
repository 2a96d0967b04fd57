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
from proxy.demo.shapes import Block, Pairs
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
class Frame:
    """Bytes of one event; `tokens` is the work the model did for it, for the pacing."""

    data: bytes
    tokens: float = 0.0


@dataclass(frozen=True)
class Stream:
    """A complete stream in the framing of its dialect."""

    frames: list[Frame]
    error: bytes
    """The event that ends a stream which fails."""
    closing: int
    """How many of the last frames tell the end."""


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
    return json_reply(message.whole(), scene, headers, message_seconds(message, random), accepts_gzip=accepts_gzip)


def json_reply(answer: Block, scene: Scene, headers: Pairs, seconds: float, *, accepts_gzip: bool) -> Reply:
    """An answer as JSON after so many seconds, compressed or cut as the scene says."""
    body = json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()
    if scene.gzip and accepts_gzip:
        headers = [*headers, ("Content-Encoding", "gzip")]
        body = b"".join(piece.data for piece in _compressed([Piece(body)], finish=True))
    return whole(200, headers, body, seconds, Close.CUT if scene.ending is Ending.CUT else Close.PROPERLY)


def stream_reply(
    message: Message, scene: Scene, headers: Pairs, random: Random, request_id: str, *, accepts_gzip: bool
) -> Reply:
    """A stream of events, ending as the scene says."""
    frames = [Frame(frame(event, random), event.tokens) for event in stream_events(message, random)]
    error = frame(Event("error", error_body(*OVERLOADED, request_id)), random)
    stream = Stream(frames, error, closing=2)
    return framed_reply(stream, scene, headers, random, message, accepts_gzip=accepts_gzip)


def framed_reply(
    stream: Stream, scene: Scene, headers: Pairs, random: Random, message: Message, *, accepts_gzip: bool
) -> Reply:
    """The stream of a message, in whatever framing, ending as the scene says."""
    close = {Ending.CUT: Close.CUT, Ending.STALLED: Close.NEVER}.get(scene.ending, Close.PROPERLY)
    frames = list(_ended(stream, scene.ending))
    pieces: Iterable[Piece] = _timed(frames, _rate(message.model), random, cut=close is Close.CUT)
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


def message_seconds(message: Message, random: Random) -> float:
    """How long the model takes for a whole message, at speed 1."""
    return prompt_seconds(message.prompt, random) + message.answer.output_tokens / _rate(message.model)


def prompt_seconds(prompt: PromptTokens, random: Random) -> float:
    """How long the model takes to read a prompt, at speed 1."""
    unread = prompt.total - prompt.cache_read
    return random.uniform(0.35, 0.9) + unread / 25_000 + prompt.cache_read / 400_000


def _ended(stream: Stream, ending: Ending) -> Iterator[Frame]:
    frames = stream.frames
    half = max(4, len(frames) // 2)
    if ending is Ending.EMPTY:
        return
    if ending is Ending.ERROR_FIRST:
        yield Frame(stream.error)
    elif ending is Ending.UNFINISHED:
        yield from frames[: -stream.closing]
    elif ending in (Ending.CUT, Ending.STALLED):
        yield from frames[:half]
    elif ending is Ending.ERROR_MIDSTREAM:
        yield from frames[:half]
        yield Frame(stream.error)
    else:
        yield from frames


def _timed(frames: list[Frame], rate: float, random: Random, *, cut: bool) -> Iterator[Piece]:
    for one in frames:
        data = one.data[: len(one.data) // 2] if cut and one is frames[-1] else one.data
        yield Piece(data, one.tokens / rate * random.uniform(0.6, 1.4))


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
