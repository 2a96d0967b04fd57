"""What is measured once beside the workloads: how fast the product starts, what its observer manages, and whether an
event of a stream ever waits for the next one."""

from __future__ import annotations

import contextlib
import http.client
import socket
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import native, observer
from benchmarks.environments import own_python
from benchmarks.peers import KINDS, PRODUCT, Upstream
from benchmarks.processes import READY_S, free_port, started

STARTS, EVENTS = 5, 1_000
PATIENCE_S = 1.0
"""After which an event counts as held back: the next one is sent when it has come, or after so long."""
_PRODUCT = (own_python(), "-m", "proxy")
_ASKING = (
    b"POST /v1/messages HTTP/1.1\r\nhost: 127.0.0.1\r\nx-api-key: sk-ant-api03-benchmark\r\n"
    b"content-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
)
_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_EVENT = b'event: content_block_delta\ndata: {"type":"content_block_delta","n":%d}\n\n'


def measured(load_core: int, peer_core: int, progress: Callable[[str], None]) -> dict[str, float]:
    """`observer_per_s`, `version_s`, `ready_s` and `held_back`."""
    progress("the observer alone")
    found = {"observer_per_s": observer.slowest()}
    progress("starts")
    found["version_s"] = statistics.median(version_s(peer_core) for _ in range(STARTS))
    found["ready_s"] = statistics.median(ready_s(peer_core) for _ in range(STARTS))
    progress("events one by one")
    with native.upstream(load_core) as (port, _):
        found["held_back"] = held_back(Upstream(port, False, Path()), peer_core)
    return found


def version_s(core: int) -> float:
    """How long `--version` takes."""
    begun = time.perf_counter()
    with started([*_PRODUCT, "--version"], core) as process:
        process.wait()
        return time.perf_counter() - begun


def ready_s(core: int) -> float:
    """From the start with an empty data folder until both ports say that they are ready."""
    relay, pages = free_port(), free_port()
    with tempfile.TemporaryDirectory() as name:
        where = ("--port", str(relay), "--inspector", f"127.0.0.1:{pages}", "--data", f"{name}/data")
        begun = time.perf_counter()
        with started([*_PRODUCT, "serve", *where], core, log=Path(name, "log")):
            while not (_ready(relay) and _ready(pages)):
                if time.perf_counter() - begun > READY_S:
                    raise SystemExit("the proxy did not become ready; run `make run` to see why.")
                time.sleep(0.005)
            return time.perf_counter() - begun


def held_back(telemetry: Upstream, core: int, events: int = EVENTS) -> int:
    """How many events of a stream had not come before the next one was sent."""
    product = next(kind for kind in KINDS if kind.name == PRODUCT)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        upstream = Upstream(listener.getsockname()[1], False, telemetry.authority)
        with (
            product.start(upstream, telemetry, core) as peer,
            socket.create_connection(("127.0.0.1", peer.port)) as client,
        ):
            client.sendall(_ASKING)
            answering, _ = listener.accept()
            with answering:
                asked = b""
                while not asked.endswith(b"\r\n\r\n{}"):
                    asked += answering.recv(1 << 16)
                answering.sendall(_ANSWER)
                return sum(late(answering, client, _EVENT % number) for number in range(events))


def late(answering: socket.socket, client: socket.socket, event: bytes, patience_s: float = PATIENCE_S) -> bool:
    """Sends an event from one side; whether it has not come to the other one in time."""
    answering.sendall(b"%x\r\n%s\r\n" % (len(event), event))
    client.settimeout(patience_s)
    came = b""
    with contextlib.suppress(TimeoutError):
        while event not in came:
            if not (more := client.recv(1 << 16)):
                raise SystemExit("the proxy broke a stream off.")
            came += more
    return event not in came


def _ready(port: int) -> bool:
    with contextlib.suppress(OSError, http.client.HTTPException):
        asking = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        with contextlib.closing(asking):
            asking.request("GET", "/readyz")
            return asking.getresponse().status == 200
    return False
