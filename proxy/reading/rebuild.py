"""A stored answer as one message again, for people to read."""

from __future__ import annotations

from proxy.reading.dialects import meaning_of
from proxy.reading.encodings import MAX_DECODED_BYTES
from proxy.reading.framing import Framing
from proxy.reading.jsontext import Json


def rebuild(
    body: bytes,
    content_type: str | None,
    content_encoding: str | None,
    *,
    operation: str = "messages",
    dialect: str | None = "anthropic",
) -> dict[str, Json] | None:
    """Return the final message of a stored response body; None when it holds none, or the operation has none.

    The shape is that of a non-stream answer. A stream that broke keeps what came (Anthropic's tool input that is not
    whole JSON stands as text under `partial_json`); an error adds `error`, events of unknown types add `events`.
    """
    meaning = meaning_of(operation, dialect, content=True)
    if meaning is None:
        return None
    framing = Framing(meaning, content_type, content_encoding, limit=MAX_DECODED_BYTES)
    framing.feed(body, None)
    framing.end()
    return meaning.message()
