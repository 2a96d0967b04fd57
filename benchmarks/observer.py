"""`python -m benchmarks.observer`: how fast the observer catches up with a ledger, with and without exports.

The receiver is a process of its own that only counts bytes; CPU is that of the observer's process alone.
"""

from __future__ import annotations

import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from benchmarks.exchanges import SECOND_NS, START_NS, exchange
from proxy.exchange import Exchange, LimitReading, Usage
from proxy.ledger import cursors
from proxy.ledger.changes import Change, Finished
from proxy.ledger.connect import reader
from proxy.ledger.counters import Counters
from proxy.ledger.folder import Folder, prepare
from proxy.ledger.processes import hold
from proxy.ledger.recorder import Recorder
from proxy.observer.loop import Observer
from proxy.serving.process import collect_rarely
from proxy.settings.otlp import Exporter, Otlp
from proxy.settings.shape import Retention

EXCHANGES = 4_000
ROUNDS = 3
_USAGE = '{"input_tokens":240,"cache_creation_input_tokens":0,"cache_read_input_tokens":0}'
_RECEIVER = """
import asyncio, sys
async def serve(reader, writer):
    try:
        while True:
            head = (await reader.readuntil(b"\\r\\n\\r\\n")).lower()
            await reader.readexactly(int(head.split(b"content-length: ")[1].split(b"\\r\\n")[0]))
            writer.write(b"HTTP/1.1 200 OK\\r\\ncontent-length: 0\\r\\n\\r\\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()
async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1 << 23)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""


def call(number: int, *, stream: bool) -> Exchange:
    """A call as one of the 1 kB workload is recorded; no two are the same."""
    took_ms = 20.0 + number % 1_009 / 16
    reading = LimitReading("acme", "requests", 4_000, 3_999 - number % 100, START_NS // SECOND_NS + 60)
    return replace(
        exchange(number + 1),
        stream=stream,
        usage=Usage(240 + number % 97, 300 + number % 89, 0, 0, service_tier="standard", usage_raw=_USAGE),
        parameters='{"max_tokens":64}',
        request_bytes=1_000,
        response_bytes=1_500,
        delivered_bytes=1_500,
        request_sha256=f"{number:064x}",
        response_sha256=f"{number:064x}",
        first_token_ms=405.0 if stream else None,
        last_byte_ms=405.0 + took_ms,
        duration_ms=406.0 + took_ms,
        limits=(reading,),
    )


def fill(folder: Folder, exchanges: int, *, stream: bool) -> None:
    """Put calls into a ledger as a relay does; of a stream forty chunks."""
    chunks = tuple((number * 100, 19.1 + number * 0.05) for number in range(40)) if stream else ()
    counters = Counters.create(folder, "relay-1")
    with hold(folder, "relay-1"):
        recorder = Recorder(folder, "relay-1", counters)
        recorder.start()
        for number in range(exchanges):
            recorder.put(_finished(Finished(call(number, stream=stream), chunks=chunks)), 1)
        if not recorder.stop(60.0):
            raise RuntimeError("the ledger could not be filled")
    counters.close()


def _finished(change: Change) -> Callable[[], Change]:
    return lambda: change


@contextmanager
def receiver() -> Iterator[str]:
    """A receiver of its own process that takes everything; its address."""
    process = subprocess.Popen([sys.executable, "-c", _RECEIVER], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    finally:
        process.kill()
        process.wait()


def everything(url: str) -> Otlp:
    """All three signals go to a receiver."""
    metrics, logs, traces = (Exporter(f"{url}/v1/{name}") for name in ("metrics", "logs", "traces"))
    return Otlp(metrics=metrics, logs=logs, traces=traces)


def visit(target: Otlp, *, stream: bool) -> tuple[float, float]:
    """Exchanges per second, and CPU in µs per exchange, from an observer's start until nothing is pending."""
    with tempfile.TemporaryDirectory() as path:
        folder = Folder(Path(path) / "data")
        prepare(folder)
        fill(folder, EXCHANGES, stream=stream)
        forever = Retention(bodies=1e9, metadata=1e9)
        observer = Observer(folder, target, forever, {"default": None}, pages="http://127.0.0.1:8081/requests/")
        begun, cpu = time.perf_counter(), time.process_time()
        observer.start()
        with closing(reader(folder.ledger)) as conn:
            while set(cursors.all_of(conn).values()) != {EXCHANGES}:
                time.sleep(0.02)
        elapsed, used = time.perf_counter() - begun, time.process_time() - cpu
        observer.stop()
    return EXCHANGES / elapsed, used * 1e6 / EXCHANGES


def slowest() -> float:
    """Exchanges per second with all signals, of plain calls or streams, whichever are fewer: medians of the rounds."""
    collect_rarely()
    with receiver() as url:
        target = everything(url)
        return min(
            statistics.median(visit(target, stream=stream)[0] for _ in range(ROUNDS)) for stream in (False, True)
        )


def main() -> None:
    """Prints medians over the rounds."""
    print(f"{platform.machine()}, CPython {platform.python_version()}, {EXCHANGES} exchanges, {ROUNDS} rounds\n")
    print(f"{'workload':14}{'exported':14}{'exchanges/s':>12}{'CPU µs':>9}")
    collect_rarely()
    with receiver() as url:
        for name, stream in (("1 kB call", False), ("stream", True)):
            for exported, target in (("nothing", Otlp()), ("all signals", everything(url))):
                visited = [visit(target, stream=stream) for _ in range(ROUNDS)]
                rate, cpu = (statistics.median(column) for column in zip(*visited, strict=True))
                print(f"{name:14}{exported:14}{rate:12.0f}{cpu:9.0f}")


if __name__ == "__main__":
    main()
