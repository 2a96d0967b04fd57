"""What a request's body shares with one before it: an agent's next turn repeats all that was said.

What was found out of bytes that are the same need not be found out again: their hash, that there is no secret among
them, and what the prompt consists of.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from proxy.reading.conversation import Conversation
from proxy.reading.facts import PromptFacts
from proxy.reading.redaction.spans import Span

MIN_BODY = 4 * 1024
"""Smaller bodies are read as a whole: looking for what is known would cost more."""
MAX_BODY = 1024 * 1024
"""Larger ones are hashed as they pass, and not read in one step."""
MAX_REMEMBERED = 8 * 1024 * 1024
MAX_TURNS = 64
_HASHED = 32 * 1024
"""Bytes from one place to the next from which a hash can be taken up."""
_PROBE = 64
_STEP = 64 * 1024


@dataclass(slots=True, eq=False)
class Turn:
    """The body of one request, and what is known of it."""

    body: bytes
    before: Turn | None = None
    """The earlier body that begins as this one does; let go of when the request has been read."""
    start: int = 0
    """How many bytes at the beginning are those of the one before."""
    end: int = 0
    """From where on, to the end, the bytes are those at the end of the one before."""
    prompt: PromptFacts | None = None
    """Of a body of usual shape."""
    conversation: Conversation | None = None
    searched: tuple[object, list[Span]] | None = None
    """Who looked for secrets in all of it, and what was found."""
    _hashes: list[tuple[int, hashlib._Hash]] = field(default_factory=list)

    def sha256(self) -> hashlib._Hash:
        """The hash of the whole, taken up where the one before ceases to be the same."""
        known = [] if self.before is None else self.before._hashes
        self._hashes = [each for each in known if each[0] <= self.start]
        place, sha256 = self._hashes[-1] if self._hashes else (0, hashlib.sha256())
        for following in range(place + _HASHED, len(self.body), _HASHED):
            sha256 = sha256.copy()
            sha256.update(self.body[place:following])
            self._hashes.append((following, sha256))
            place = following
        whole = sha256.copy()
        whole.update(self.body[place:])
        return whole


class Turns:
    """The bodies that came last, the youngest first; bounded."""

    def __init__(self) -> None:
        self._kept: list[Turn] = []

    def next(self, body: bytes) -> Turn | None:
        """Remember a body, in place of the one that it goes on from; None for one that is read as a whole."""
        if not MIN_BODY <= len(body) <= MAX_BODY or not body.startswith(b"{"):
            return None
        before, start = self._alike(body)
        turn = Turn(body)
        if before is not None:
            # A body of a thousand turns ago must not be kept by all that followed.
            before.before = None
            end = _end_alike(body, before.body, start)
            turn = Turn(body, before, start, len(body) - end)
            if start + end > len(before.body) // 4 * 3:
                self._kept.remove(before)
        self._kept = [turn, *self._kept][:MAX_TURNS]
        while sum(len(each.body) for each in self._kept) > MAX_REMEMBERED:
            self._kept.pop()
        return turn

    def _alike(self, body: bytes) -> tuple[Turn | None, int]:
        """The earlier body with the longest common beginning, and its length."""
        best: Turn | None = None
        longest = _PROBE
        for turn in self._kept:
            other = turn.body
            if body[longest - _PROBE : longest] == other[longest - _PROBE : longest]:
                length = _start_alike(body, other)
                if length > longest:
                    best, longest = turn, length
        return best, longest


def _start_alike(one: bytes, other: bytes) -> int:
    """How many bytes are the same from the beginning; compared in place, in steps that end where they differ."""
    compared, place, step = memoryview(other), 0, _STEP
    while step:
        part = compared[place : place + step]
        if part and one.startswith(part, place):
            place += len(part)
        else:
            step //= 2
    return place


def _end_alike(one: bytes, other: bytes, start: int) -> int:
    """How many bytes are the same from the end, of those behind `start` in both."""
    most, length, step = min(len(one), len(other)) - start, 0, _STEP
    while step:
        place = len(other) - length
        part = other[place - min(step, most - length) : place]
        if part and one.endswith(part, 0, len(one) - length):
            length += len(part)
        else:
            step //= 2
    return length
