"""What the fake upstream saw, request by request, for tests that compare both ends."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field


@dataclass
class Seen:
    """One request and its answer, filled in while it goes on."""

    method: str
    target: str
    """Raw path and query as they came over the wire."""
    headers: tuple[tuple[str, str], ...]
    """Header lines in order; names as the server gives them, in lower case."""
    scene: str | None = None
    """The scene or `vector:<name>` played; `None` for answers that are no scene."""
    body_sha256: str | None = None
    """Of the request body as sent; `None` while it has not arrived completely."""
    body_bytes: int = 0
    status: int | None = None
    """`None` as long as no answer has begun."""
    sent_bytes: int = 0
    """Body bytes handed to the server, before any transfer coding."""
    complete: bool = False
    """Whether the answer was sent to its proper end."""
    disconnected: bool = False
    """Whether the client left before the answer was complete."""
    disconnected_at: float | None = None
    """When that was noticed, on the upstream's clock."""
    over: bool = False
    """Whether the upstream has finished with this request, whatever came of it."""
    _sent: hashlib._Hash = field(default_factory=hashlib.sha256, repr=False, compare=False)

    @property
    def sent_sha256(self) -> str:
        """Of the body bytes sent so far."""
        return self._sent.hexdigest()

    def arrived(self, body: bytes) -> None:
        """The request body is complete."""
        self.body_sha256 = hashlib.sha256(body).hexdigest()
        self.body_bytes = len(body)

    def sent(self, data: bytes) -> None:
        """A piece of the answer is handed to the server."""
        self._sent.update(data)
        self.sent_bytes += len(data)

    def left(self, now: float) -> None:
        """The client is gone."""
        self.disconnected = True
        self.disconnected_at = now
