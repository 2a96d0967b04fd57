"""What most rows have in common is written once: a pure function whose results are kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

MOST = 2_048
"""Results kept at once; then all are forgotten, which costs less than to know which were used last."""
LONGEST = 256
"""Characters of a last argument whose result is kept, if that is a text."""

Key = TypeVar("Key", bound=tuple[object, ...])
Made = TypeVar("Made")


class Remembered(dict[Key, Made]):
    """Results by arguments, made where they are missing: looking one up runs no Python.

    Arguments that are equal must give the same result: no place for both 1 and 1.0.
    """

    def __init__(self, make: Callable[..., Made]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: Key) -> Made:
        made = self._make(*key)
        last = key[-1]
        if not isinstance(last, str) or len(last) <= LONGEST:
            if len(self) >= MOST:
                self.clear()
            self[key] = made
        return made
