"""One module per target: `TOKENS`, the words of its input, and `check`, which raises where the code is wrong."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

NAMES = (
    "gate",
    "wire",
    "http",
    "sse",
    "encodings",
    "anthropic",
    "openai",
    "request",
    "filters",
    "settings",
    "redaction",
    "pieces",
)
CORPUS = Path(__file__).parent.parent / "corpus"


class Target(Protocol):
    """What each module has."""

    @property
    def TOKENS(self) -> tuple[bytes, ...]: ...  # noqa: N802

    def check(self, data: bytes) -> None: ...


def target(name: str) -> Target:
    """The module of a target."""
    return cast(Target, import_module(f"{__name__}.{name}"))


def corpus(name: str) -> list[Path]:
    """Inputs of a target that are kept: good beginnings, and what once went wrong."""
    return sorted(path for path in (CORPUS / name).glob("*") if path.is_file())


def fields(data: bytes, count: int) -> list[bytes]:
    """The first byte-separated parts of an input, as many as asked for."""
    parts = data.split(b"\xff", count - 1)
    return parts + [b""] * (count - len(parts))


def cut(data: bytes, seed: int) -> list[bytes]:
    """The same bytes in pieces, deterministically."""
    step = 1 + seed % 61
    return [data[at : at + step] for at in range(0, len(data), step)]
