"""What a person is told once the ports are open."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Started:
    """Where clients go and where people look."""

    base_urls: tuple[str, ...]
    """What clients set as ANTHROPIC_BASE_URL, one for each endpoint; none where nothing is relayed."""
    sign_in: str | None
    """Link to the inspector that signs in once; None where there is no inspector."""
    data: Path
