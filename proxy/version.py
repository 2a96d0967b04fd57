"""The version of this copy: the installed distribution's, or the checkout's when it runs without being installed."""

from __future__ import annotations

import tomllib
from importlib import metadata
from pathlib import Path

_PROJECT = Path(__file__).parent.parent / "pyproject.toml"


def version() -> str:
    """Such as `0.1.0`; `unknown` if neither says so."""
    try:
        return str(tomllib.loads(_PROJECT.read_text("utf-8"))["project"]["version"])
    except (OSError, KeyError, ValueError):
        pass
    try:
        return metadata.version("anthropic-proxy")
    except metadata.PackageNotFoundError:
        return "unknown"
