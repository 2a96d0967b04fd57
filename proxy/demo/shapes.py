"""The few type names that this room shares."""

from __future__ import annotations

from typing import Any, TypeAlias

Json: TypeAlias = Any
"""A decoded JSON value."""
Block: TypeAlias = dict[str, Json]
"""A JSON object: a content block, a payload, a body."""
Pairs: TypeAlias = list[tuple[str, str]]
"""Header lines in order."""
