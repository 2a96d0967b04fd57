"""`python -m benchmarks.observer`: how fast the observer catches up with a ledger, all three signals exported.

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
from pathlib import Path

from proxy.exchange import Attempt, Exchange, LimitReading, Outcome, Usage, UsageSource
from proxy.ledger import cursors
from proxy.ledger.changes import Change, Finished
from proxy.ledger.connect import reader
from proxy.ledger.counters import Counters
from proxy.ledger.folder import Folder, prepare
from proxy.ledger.processes import hold
from proxy.ledger.recorder import Recorder
from proxy.observer.loop import Observer
from proxy.settings.otlp import Exporter, Otlp
from proxy.settings.shape import Retention

EXCHANGES = 4_000
ROUNDS = 3
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
    """A call as one of the 1 kB workload is recorded."""
    started_ns = time.time_ns()
    attempt = Attempt(
        1, "anthropic", "api.anthropic.com", 443, f"{number + 1:016x}", None, 0.3, None, 0.6, 19.0, 21.0, 200,
        upstream_request_id=f"req_{number:024}",
    )  # fmt: skip
    return Exchange(
        request_id=f"px_{number:026}",
        process="relay-1",
        started_ns=started_ns,
        method="POST",
        path="/v1/messages",
        endpoint="default",
        outcome=Outcome.OK,
        key="caller-bench000",
        account="acme",
        client="bench/1",
        upstream="anthropic",
        provider="anthropic",
        dialect="anthropic",
        operation="messages",
        model="claude-sonnet-4-6",
        response_model="claude-sonnet-4-6",
        stream=stream,
        status=200,
        finish_reason="end_turn",
        upstream_request_id=f"req_{number:024}",
        message_id=f"msg_{number:024}",
        usage=Usage(
            input_tokens=240 + number % 97,
            output_tokens=300 + number % 89,
            cache_read_tokens=0,
            cache_creation_tokens=0,
            service_tier="standard",
            usage_raw='{"input_tokens":240,"cache_creation_input_tokens":0,"cache_read_input_tokens":0}',
        ),
        usage_source=UsageSource.FINAL,
        parameters='{"max_tokens":64}',
        message_count=1,
        request_bytes=1_000,
        response_bytes=1_500,
        delivered_bytes=1_500,
        request_sha256=f"{number:064x}",
        response_sha256=f"{number:064x}",
        trace_id=f"{number + 1:032x}",
        span_id=f"{number + 1:016x}",
        received_ms=0.2,
        sent_ms=0.6,
        headers_ms=19.0,
        first_byte_ms=19.1,
        first_sent_ms=19.3,
        first_token_ms=19.5 if stream else None,
        last_byte_ms=21.0,
        duration_ms=21.4,
        attempts=(attempt,),
        limits=(LimitReading("acme", "requests", 4_000, 3_999, started_ns // 1_000_000_000 + 60),),
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


def visit(url: str, *, stream: bool) -> tuple[float, float]:
    """Exchanges per second, and CPU in µs per exchange, from an observer's start until nothing is pending."""
    with tempfile.TemporaryDirectory() as path:
        folder = Folder(Path(path) / "data")
        prepare(folder)
        fill(folder, EXCHANGES, stream=stream)
        forever = Retention(bodies=1e9, metadata=1e9)
        metrics, logs, traces = (Exporter(f"{url}/v1/{name}") for name in ("metrics", "logs", "traces"))
        target = Otlp(metrics=metrics, logs=logs, traces=traces)
        observer = Observer(folder, target, forever, {"default": None}, pages="http://127.0.0.1:8081/requests/")
        begun, cpu = time.perf_counter(), time.process_time()
        observer.start()
        with closing(reader(folder.ledger)) as conn:
            while set(cursors.all_of(conn).values()) != {EXCHANGES}:
                time.sleep(0.02)
        elapsed, used = time.perf_counter() - begun, time.process_time() - cpu
        observer.stop()
    return EXCHANGES / elapsed, used * 1e6 / EXCHANGES


def main() -> None:
    """Prints medians over the rounds."""
    print(f"{platform.machine()}, CPython {platform.python_version()}, {EXCHANGES} exchanges, {ROUNDS} rounds\n")
    print(f"{'workload':14}{'exchanges/s':>12}{'CPU µs':>9}")
    with receiver() as url:
        for name, stream in (("1 kB call", False), ("stream", True)):
            visited = [visit(url, stream=stream) for _ in range(ROUNDS)]
            rate, cpu = (statistics.median(column) for column in zip(*visited, strict=True))
            print(f"{name:14}{rate:12.0f}{cpu:9.0f}")


if __name__ == "__main__":
    main()
