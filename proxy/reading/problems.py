"""What could not be read in a message: the first problem in words, the others as a number."""

from __future__ import annotations


class Problems:
    """Collects the problems of one message in constant memory."""

    def __init__(self) -> None:
        self._first: str | None = None
        self._count = 0

    def note(self, problem: str) -> None:
        """Add a problem, in a few words and without content of the message."""
        self._count += 1
        if self._first is None:
            self._first = problem[:300]

    def summary(self) -> str | None:
        """Return the text for `parse_error`; None when everything could be read."""
        if self._count <= 1:
            return self._first
        return f"{self._first} (and {self._count - 1} more)"
