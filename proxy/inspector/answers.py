"""The answer of a request as one message, rebuilt from what is stored of it."""

from __future__ import annotations

from proxy.exchange import Exchange
from proxy.inspector.captured import Captured
from proxy.reading.jsontext import Json
from proxy.reading.rebuild import rebuild


def rebuilt(exchange: Exchange, received: Captured) -> dict[str, Json] | None:
    """The message in the shape of a non-stream answer in its dialect; None when nothing stored holds one."""
    if received.stored is None or not received.stored.stored_size:
        return None
    return rebuild(
        received.stored.read(),
        received.content_type,
        received.content_encoding,
        operation=exchange.operation,
        dialect=exchange.dialect or "anthropic",
    )
