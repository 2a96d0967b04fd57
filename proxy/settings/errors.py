"""What is wrong with a setting, in one sentence that names the place, the thing and the remedy."""

from __future__ import annotations

READABLE = "name a file that is there and that this user may read"
"""What to do about one that cannot be read."""


class SettingsError(Exception):
    """Exit code 2, one line, no traceback.

    `where` is a file with its line, a variable or a flag; None when the value is a default.
    """

    def __init__(self, problem: str, *, where: str | None = None) -> None:
        sentence = problem if where is None else f"{where}: {problem}"
        super().__init__("".join(each if each.isprintable() else f"\\x{ord(each):02x}" for each in sentence))
        self.problem = problem
        self.where = where
