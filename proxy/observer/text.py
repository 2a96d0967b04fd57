"""Text from outside, made fit for telemetry: valid UTF-8 of bounded length."""

from __future__ import annotations

MOST_BYTES = 1024
"""Per attribute; Loki and Tempo take more, but metadata is no place for documents."""

CUT = "…"
"""Stands where a text was cut."""


def clipped(text: str, most: int = MOST_BYTES) -> str:
    """At most `most` bytes of UTF-8, cut between characters and marked; lone surrogates become `?`."""
    if len(text) <= most and text.isascii():
        return text
    data = text.encode("utf-8", "replace")
    return data.decode() if len(data) <= most else data[: most - len(CUT.encode())].decode("utf-8", "ignore") + CUT


def printable(text: str, most: int = MOST_BYTES) -> str:
    """The same with control and formatting characters escaped, so that nobody writes to the terminal through a name."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in clipped(text, most))
