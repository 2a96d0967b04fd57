"""Embeddings and images: answers of which the usage and the model are all that is read."""

from __future__ import annotations

import msgspec

from proxy.reading.jsontext import Json, Unreadable, shaped
from proxy.reading.openai.answer import Answer, Fields
from proxy.reading.sse import Event

_LAST = (".completed", ".failed")
_PARTIAL = ".partial_image"


class EmbeddingsMeaning(Answer):
    """One answer of the operation `embeddings`; vectors are skipped, not read."""

    def consume(self, event: Event, at_ms: float | None) -> None:
        """Take an event, which this operation does not have."""
        self._keep_foreign(event, None)

    def message(self) -> dict[str, Json] | None:
        """Return None: there is nothing to read in vectors."""
        return None

    def _begin(self, answer: dict[str, Json]) -> None:
        self._remember(answer)

    def _ended(self) -> bool:
        return False

    def _finish_reason(self) -> Json:
        return None


class ImagesMeaning(Answer):
    """One answer of the operation `images`, as JSON or as events; images are skipped, not read."""

    def __init__(self, *, content: bool = False) -> None:
        super().__init__(content=content)
        self._stopped = False
        self._images: list[Json] = []

    def consume(self, event: Event, at_ms: float | None) -> None:
        """Take one event: a partial image counts as a token, the usage stands in the last."""
        try:
            said: dict[str, Json] = msgspec.structs.asdict(shaped(event.data, Fields))
        except Unreadable as error:
            self.problems.note(f"{event.name}: {error}")
            return
        named = said.get("type") if event.name == "message" else event.name
        kind = named if isinstance(named, str) else ""
        if kind == "error" or said.get("error"):
            self._known, self._error = True, said
        elif kind.startswith("image_"):
            self._known = True
            self._picture(kind, event, at_ms)
            self._remember({name: value for name, value in said.items() if name in self.kept})
        else:
            self._keep_foreign(event, None)

    def message(self) -> dict[str, Json] | None:
        """Return the images with the usage, in the shape of a non-stream answer."""
        if not self._fields.get("data") and not self._images:
            return None
        return self._rebuilt({"data": self._images, **self._fields})

    def _picture(self, kind: str, event: Event, at_ms: float | None) -> None:
        self._stopped = self._stopped or kind.endswith(_LAST)
        if not self._token_seen:
            self._token(at_ms)
        if self._content and not kind.endswith(_PARTIAL):
            payload = self._payload(event) or {}
            self._images.append({name: payload[name] for name in ("b64_json", "url") if name in payload})

    def _begin(self, answer: dict[str, Json]) -> None:
        self._remember(answer)

    def _ended(self) -> bool:
        return self._stopped and self._error is None

    def _finish_reason(self) -> Json:
        return None
