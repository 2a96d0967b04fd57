"""What receivers say, without our credentials: who refuses a request may quote it, and what it says is kept."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Protocol

from proxy.observer.delivery.replies import Reply
from proxy.observer.text import CUT
from proxy.reading.caller import secrets
from proxy.reading.redaction.redactor import Redactor
from proxy.settings.otlp import Exporter


class Talking(Protocol):
    """A sender."""

    def send(self, payload: bytes) -> Reply: ...
    def abort(self) -> None: ...


class Discreet:
    """A sender in whose replies no credential of its target stands, nor the beginning of one where they were cut."""

    def __init__(self, sender: Talking, target: Exporter) -> None:
        self._sender = sender
        self._redactor = Redactor(secrets(tuple(target.headers.items())), os.urandom(16))

    def send(self, payload: bytes) -> Reply:
        """As the sender does."""
        reply = self._sender.send(payload)
        if not reply.said:
            return reply
        said = self._redactor.body(reply.said.removesuffix(CUT).encode(), torn=True)
        return replace(reply, said=said.data.decode("utf-8", "replace"))

    def abort(self) -> None:
        """As the sender does."""
        self._sender.abort()
