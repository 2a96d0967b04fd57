"""Settings on their way to another process of ours: JSON, secrets included, checked already."""

from __future__ import annotations

from pathlib import Path

import msgspec

from proxy.settings.shape import Settings


def encode(settings: Settings) -> bytes:
    """JSON that `decode` reads back as an equal value."""
    return msgspec.json.encode(settings, enc_hook=str)


def decode(data: bytes) -> Settings:
    """Settings from the JSON of `encode`; nothing is checked again."""
    return msgspec.json.decode(data, type=Settings, dec_hook=as_path)


def as_path(kind: type, value: object) -> Path:
    """Decoding hook for the one type that msgspec does not know; raises ValueError for what is no path."""
    if kind is Path and isinstance(value, Path):
        return value
    if kind is Path and isinstance(value, str) and value and "\0" not in value:
        return Path(value)
    raise ValueError(f"expected {kind.__name__}")
