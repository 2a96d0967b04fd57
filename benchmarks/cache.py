"""Where compiled programs and foreign environments are kept between runs, as the Makefile does."""

from __future__ import annotations

import os
from pathlib import Path


def cache() -> Path:
    """The folder, made if need be."""
    own = os.environ.get("ANTHROPIC_PROXY_CACHE")
    base = Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "anthropic-proxy"
    folder = base / "benchmarks"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
