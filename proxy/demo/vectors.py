"""Recorded exchanges, served byte for byte: status, header lines and body of a JSON file."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Vector:
    """One recorded response."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def load_vectors(folder: Path) -> dict[str, Vector]:
    """All `*.json` of a folder by name without suffix. Raises `OSError`, `ValueError` or `KeyError` on a bad one."""
    return {path.stem: _vector(path) for path in sorted(folder.glob("*.json"))}


def _vector(path: Path) -> Vector:
    recorded = json.loads(path.read_text(encoding="utf-8"))
    packed = recorded.get("body_base64")
    body = base64.b64decode(packed) if packed is not None else str(recorded["body"]).encode()
    headers = tuple((str(name), str(value)) for name, value in recorded["headers"])
    return Vector(int(recorded["status"]), headers, body)
