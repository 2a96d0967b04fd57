"""Somebody between client and server who can lose an answer: the request has arrived, and nobody learns of it."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit

_CHUNK = 1 << 16
_CONNECT_SECONDS = 5.0


class Link:
    """Passes bytes on between a port of its own and a server, for as long as the context lasts."""

    def __init__(self, server: str) -> None:
        """`server`: its address, `http://host:port`."""
        parts = urlsplit(server)
        self._server = (parts.hostname or "", parts.port or 80)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._losing = threading.Event()

    @property
    def url(self) -> str:
        """Where to connect instead."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def lose_an_answer(self) -> None:
        """Of the next request: its connection is closed when the answer begins."""
        self._losing.set()

    @property
    def has_lost(self) -> bool:
        """Whether the answer that was to be lost has been."""
        return not self._losing.is_set()

    def __enter__(self) -> Link:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        for one in [self._listener, *self._open]:
            _close(one)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(self._server, timeout=_CONNECT_SECONDS)
        except OSError:
            _close(client)
            return
        server.settimeout(None)
        self._open |= {client, server}
        threading.Thread(target=self._pass_on, args=(client, server), daemon=True).start()
        self._pass_on(server, client, answers=True)
        self._open -= {client, server}

    def _pass_on(self, source: socket.socket, target: socket.socket, *, answers: bool = False) -> None:
        with suppress(OSError):
            while data := source.recv(_CHUNK):
                if answers and self._losing.is_set():
                    self._losing.clear()
                    break
                target.sendall(data)
        _close(source)
        _close(target)


def _close(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
