"""`/healthz` and `/readyz` on the relay port; everything else is passed on."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from proxy.gate import PROBES, App, Receive, Scope, Send
from proxy.relay import answers


class Readiness:
    """Whether new requests should come here. Trouble with observing degrades, it never takes out of service."""

    def __init__(self, degraded: Callable[[], list[str]]) -> None:
        self.draining = False
        self._degraded = degraded

    def answer(self, path: bytes) -> tuple[int, dict[str, object]]:
        """Status and JSON body of a probe."""
        if path == b"/healthz":
            return 200, {"status": "ok"}
        if self.draining:
            return 503, {"status": "draining"}
        reasons = self._degraded()
        return 200, {"status": "degraded" if reasons else "ok", "degraded": reasons}


class Probes:
    """ASGI layer in front of the relay."""

    def __init__(self, app: App, readiness: Readiness) -> None:
        self._app = app
        self._readiness = readiness

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["raw_path"] not in PROBES or scope["method"] not in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        status, shape = self._readiness.answer(scope["raw_path"])
        body = msgspec.json.encode(shape)
        fields = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
        ]
        await answers.send_whole(send, status, fields, body)
