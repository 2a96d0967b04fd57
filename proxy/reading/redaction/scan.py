"""Finds secrets in bytes: those of known kinds, and what the operator's own rules match.

A clean body costs one pass for all anchors of the kinds (about 100 µs for 200 kB) and one for each own rule.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from time import thread_time
from typing import NamedTuple

from ahocorasick_rs import BytesAhoCorasick, MatchKind

from proxy.reading.redaction.kinds import KINDS, Kind

GROUP = 44
"""Anchors looked for at once: up to about so many, the search compares many bytes in one step."""
PIECE_BYTES = 1024 * 1024
"""Anchors found in one step: text that is full of them must not fill the memory."""
_BARE = (b"sk-", b"SG.", b"hf_")
"""Prefixes that are found with the byte before them only."""
_LONGEST_ANCHOR = max(len(anchor) for kind in KINDS for anchor in kind.anchors)
WORD = b"\\ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=_.~%-"
"""What a word of a body consists of, escapes included."""
MOST_TORN = 4096
"""Bytes at the end of a body that breaks off which may be one secret."""
LONGEST_BEFORE = 256
"""Bytes of a secret that begins before its anchor, from there on."""
RULE_PIECE_BYTES = 4096
"""Bytes that a rule is tried at without a pause in which another thread can run."""
RULE_WIDTH = 1024
"""No match of a rule is longer; the settings see to it."""
REACH = 9 * 1024
"""Bytes behind its anchor within which a secret ends, unless it is of a kind in which no `"` can stand."""
_BACK = 32
"""No pattern looks so far back from its anchor."""
_ANCHORS = 64
"""Places at which patterns are tried before the next look at the clock."""
LONGEST_S = 2.0
"""Longest search of one body, CPU: an ordinary one of 16 MiB takes 20 ms; one made to take long is not stored."""


class Found(NamedTuple):
    """A secret in a body."""

    start: int
    end: int
    rule: str


class Unsearchable(Exception):
    """Nobody knows what is in a body; nothing of it is stored."""


class TooSlow(Unsearchable):
    """The search took too long."""


class Patience:
    """How long a search may go on; it costs nothing where nothing is looked at twice."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._latest: float | None = None
        self._looks = 0

    def look(self) -> None:
        """Look at the clock. Raises TooSlow."""
        now = self._clock()
        if self._latest is None:
            self._latest = now + LONGEST_S
        elif now > self._latest:
            raise TooSlow

    def step(self) -> None:
        """As `look`, now and then."""
        self._looks += 1
        if self._looks % _ANCHORS == 0:
            self.look()


class Scanner:
    """Finds the secrets of one configuration; used by one thread."""

    def __init__(
        self,
        rules: Mapping[str, str] | None = None,
        kinds: Sequence[Kind] = KINDS,
        clock: Callable[[], float] = thread_time,
    ) -> None:
        """`rules` are the operator's patterns by name, which the settings have found to be bounded."""
        self._rules = {name: re.compile(pattern.encode()) for name, pattern in (rules or {}).items()}
        self._clock = clock
        owners: dict[bytes, list[Kind]] = {}
        for kind in kinds:
            for anchor in kind.anchors:
                owners.setdefault(anchor, []).append(kind)
        self._groups = [
            (BytesAhoCorasick(anchors, matchkind=MatchKind.LeftmostFirst), [owners[anchor] for anchor in anchors])
            for anchors in _groups(owners)
        ]

    @property
    def ruled(self) -> bool:
        """Whether the operator has rules, which may look for the beginning of a text."""
        return bool(self._rules)

    def find(self, data: bytes, low: int = 0, high: int = sys.maxsize) -> list[Found]:
        """Every secret, in no order; the same one may be found twice. Raises TooSlow.

        With bounds: those whose anchor, or what a rule matches, begins between them.
        """
        if not low and data.startswith(_BARE):
            return [Found(start - 1, end - 1, rule) for start, end, rule in self.find(b" " + data, 0, high + 1)]
        high = min(high, len(data))
        if not self._rules and not low and high == len(data) <= PIECE_BYTES:
            return self._of_kinds(data, data, 0, high)
        patience = Patience(self._clock)
        patience.look()
        found: list[Found] = []
        for at in range(low, high, PIECE_BYTES):
            piece = data[at : min(at + PIECE_BYTES, high) + _LONGEST_ANCHOR]
            found += self._of_kinds(data, piece, at, high, patience)
            patience.look()
        for name, pattern in self._rules.items():
            found += self._of_rule(data, name, pattern, patience, low, high)
        return found

    def begun(self, data: bytes) -> int | None:
        """Where the last word of a body that breaks off begins to look like a secret; None when it does not."""
        word = data[-MOST_TORN:].rstrip(WORD)
        start = max(0, len(data) - MOST_TORN + len(word) - 1 if len(data) > MOST_TORN else len(word) - 1)
        hits = [hit[1] for group, _ in self._groups for hit in group.find_matches_as_indexes(data[start:])]
        return start + min(hits) if hits else None

    def _of_kinds(self, data: bytes, piece: bytes, at: int, high: int, patience: Patience | None = None) -> list[Found]:
        """Secrets whose anchor stands before `high` in a piece of the data, which begins at `at`."""
        found: list[Found] = []
        for group, owners in self._groups:
            over = 0
            for index, start, _ in group.find_matches_as_indexes(piece):
                if not over <= at + start < high:
                    continue
                patience = patience or Patience(self._clock)
                patience.step()
                for kind in owners[index]:
                    secret = _verified(kind, data, at + start)
                    if secret is not None:
                        over = secret.end
                        found.append(secret)
                        break
        return found

    def _of_rule(
        self, data: bytes, name: str, pattern: re.Pattern[bytes], patience: Patience, at: int, high: int
    ) -> Iterator[Found]:
        while at < high:
            end = min(at + RULE_PIECE_BYTES, high)
            for match in pattern.finditer(data, at, end + RULE_WIDTH):
                if match.start() >= end:
                    break
                end = max(end, match.end())
                yield Found(*match.span(1 if pattern.groups else 0), name)
            at = end
            patience.look()


def together(texts: Iterable[str]) -> str:
    """Texts as one, which has no secret if none of them has: as at their own beginning, no word goes on at a joint."""
    return "".join(["\0 " + text for text in texts])


def _groups(anchors: Iterable[bytes]) -> list[list[bytes]]:
    """The anchors in groups in which none can hide another, those first that are hardest to place."""
    hiding = {one: {other for other in anchors if _hides(one, other) or _hides(other, one)} for one in anchors}
    groups: list[list[bytes]] = []
    for anchor in sorted(hiding, key=lambda anchor: (-len(hiding[anchor]), anchor)):
        for group in groups:
            if len(group) < GROUP and hiding[anchor].isdisjoint(group):
                group.append(anchor)
                break
        else:
            groups.append([anchor])
    return groups


def _hides(first: bytes, second: bytes) -> bool:
    """Whether `second` can begin inside `first`, so that a search that goes on behind `first` does not see it."""
    return first != second and any(second.startswith(first[at:]) for at in range(1, len(first) - 1))


def _verified(kind: Kind, data: bytes, anchor: int) -> Found | None:
    if not kind.before:
        match = kind.pattern.match(data, anchor)
    else:
        matches = kind.pattern.finditer(data, max(0, anchor - kind.before), anchor + LONGEST_BEFORE)
        match = next((each for each in matches if each.end() > anchor), None)
    return None if match is None else Found(*match.span(1 if kind.pattern.groups else 0), kind.name)


def occurs(search: BytesAhoCorasick, data: bytes, low: int, stop: int, longest: int) -> bool:
    """Whether a word of at most `longest` bytes begins between two places, or soon behind them.

    Looked for in pieces: one search of a large body would keep the interpreter's lock from everybody for 20 ms.
    """
    if stop - low <= PIECE_BYTES:
        return bool(search.find_matches_as_indexes(data[low : stop + longest]))
    pieces = (data[at : at + PIECE_BYTES + longest] for at in range(low, stop, PIECE_BYTES))
    return any(map(search.find_matches_as_indexes, pieces))
