"""Clients that leave while the upstream takes no connection, or none of the bytes of an upload.

Such an upstream cannot say when its connection was closed, so the relay's own connections are looked at.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Iterator

import psutil

from tests.kit.process import Proxy, wait
from tests.kit.raw import address
from tests.long.figure import Figure, Run

COUNT = 10
CLOSED_S, PATIENCE_S = 1.0, 5.0
_RESET = struct.pack("ii", 1, 0)
"""A client that closes politely is heard only behind its bytes, which nobody takes."""
UPLOAD = 32_000_000
"""More than all buffers on the way hold."""


def measure(run: Run) -> list[Figure]:
    """How long the upstream connections of clients that have left live on."""
    return [_left(run, "connecting", refusing=True), _left(run, "its upload is blocked", refusing=False)]


def _left(run: Run, phase: str, *, refusing: bool) -> Figure:
    run.say(f"clients leave while {phase}")
    with _deaf(refusing=refusing) as port, contextlib.ExitStack() as clients:
        proxy = Proxy(run.place(phase.replace(" ", "-")), f"http://127.0.0.1:{port}", relay="drain_seconds = 1")
        with proxy.running():
            relay, state = psutil.Process(proxy.pid("relay")), "SYN_SENT" if refusing else "ESTABLISHED"
            asking = [clients.enter_context(socket.create_connection(address(proxy.base_url))) for _ in range(COUNT)]
            for client in asking:
                _upload(client, 1_000 if refusing else UPLOAD)
            wait(lambda: _connections(relay, port).count(state) == COUNT, "every request to be under way")
            left = time.monotonic()
            for client in asking:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            clients.close()
            while (still := len(_connections(relay, port))) and time.monotonic() - left < PATIENCE_S:
                time.sleep(0.002)
            took = time.monotonic() - left
    return Figure(
        f"client gone while {phase}: upstream closed, {COUNT} at once",
        f"≤ {CLOSED_S:.0f} s",
        f"{still} of {COUNT} open after {took:.0f} s" if still else f"longest {took * 1000:.0f} ms",
        took <= CLOSED_S,
    )


@contextlib.contextmanager
def _deaf(*, refusing: bool) -> Iterator[int]:
    """Port of a listener that accepts nobody; when `refusing`, not even the kernel does for it."""
    with socket.socket() as listener, contextlib.ExitStack() as queue:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0 if refusing else 10 * COUNT)
        for _ in range(2 if refusing else 0):
            waiting = queue.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def _upload(client: socket.socket, size: int) -> None:
    """Sends as much of a body as is taken."""
    client.sendall(b"POST /v1/messages HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: %d\r\n\r\n" % size)
    client.settimeout(0.3)
    with contextlib.suppress(TimeoutError):
        client.sendall(bytes(size))


def _connections(relay: psutil.Process, port: int) -> list[str]:
    """States of the relay's connections to the upstream."""
    return [each.status for each in relay.net_connections("tcp") if each.raddr and each.raddr.port == port]
