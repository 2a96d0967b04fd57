"""The inspector on a real server: uvicorn on a free port, the gate outside, in a thread of this process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from proxy.gate import Gate, Rejection, Rules, allowed_hosts
from proxy.inspector.app import application
from proxy.ledger.folder import Folder
from proxy.serving.server import server

TOKEN = "test-token-0123456789"
CODE = "one-time-code-0123456789"


@dataclass
class Site:
    """A running inspector."""

    base: str
    failures: list[int] = field(default_factory=list)
    """One entry for each refused sign-in."""

    @property
    def link(self) -> str:
        """The link that is printed at start."""
        return f"{self.base}/sign-in?code={CODE}"

    def client(self, *, token: str | None = TOKEN) -> httpx.Client:
        """A program that uses the API token, or none."""
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        return httpx.Client(base_url=self.base, headers=headers, timeout=10)


@contextlib.contextmanager
def serving(folder: Folder, **options: Any) -> Iterator[Site]:
    """Serve a data folder; `options` are further arguments of `application`."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        site = Site(f"http://127.0.0.1:{sock.getsockname()[1]}")
        arguments: dict[str, Any] = {
            "base_urls": {"default": "http://127.0.0.1:8080"},
            "token": TOKEN,
            "token_file": Path("data/token"),
            "sign_in_code": CODE,
            "count_auth_failure": lambda: site.failures.append(1),
        }
        app = application(folder=folder, **{**arguments, **options})
        rules = Rules(allowed_hosts("127.0.0.1", ("inspector.test",)), max_body=1_000_000)
        listener = server(Gate(app, rules=rules, refuse=_refuse))
        thread = threading.Thread(target=lambda: asyncio.run(listener.serve(sockets=[sock])), name="inspector")
        thread.start()
        try:
            yield site
        finally:
            listener.stop()
            thread.join(20)
            assert not thread.is_alive()


async def _refuse(scope: Any, receive: Any, send: Any, rejection: Rejection) -> None:
    body = json.dumps({"error": {"type": rejection.error_type, "message": rejection.message}}).encode()
    await send({"type": "http.response.start", "status": rejection.status, "headers": []})
    await send({"type": "http.response.body", "body": body})
