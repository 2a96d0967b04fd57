"""An OTLP receiver over HTTP that decodes what it gets and answers as it is told."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeVar

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span

PROTOBUF = "application/x-protobuf"
Request = ExportLogsServiceRequest | ExportMetricsServiceRequest | ExportTraceServiceRequest
Response = ExportLogsServiceResponse | ExportMetricsServiceResponse | ExportTraceServiceResponse
REQUESTS: dict[str, type[Request]] = {
    "logs": ExportLogsServiceRequest,
    "metrics": ExportMetricsServiceRequest,
    "traces": ExportTraceServiceRequest,
}
RESPONSES: dict[str, type[Response]] = {
    "logs": ExportLogsServiceResponse,
    "metrics": ExportMetricsServiceResponse,
    "traces": ExportTraceServiceResponse,
}
Value = str | bool | int | float | list["Value"] | None
Kind = TypeVar("Kind", ExportLogsServiceRequest, ExportMetricsServiceRequest, ExportTraceServiceRequest)


@dataclass(frozen=True)
class Reply:
    """How to answer one request."""

    status: int = 200
    body: bytes = b""
    content_type: str = PROTOBUF
    headers: Mapping[str, str] = field(default_factory=dict)
    hang: bool = False
    """Take the request and never answer."""
    drip: bool = False
    """Answer one byte per second."""
    drop: bool = False
    """Take the request and close the connection without an answer."""
    raw: bytes | None = None
    """Answer with these bytes, whatever they are, and close the connection."""

    @property
    def takes(self) -> bool:
        """Whether the contents count as received."""
        return self.drop or (
            200 <= self.status < 300 and self.content_type == PROTOBUF and not self.hang and not self.raw
        )


@dataclass(frozen=True)
class Received:
    """One request."""

    signal: str
    headers: Mapping[str, str]
    body: bytes
    """As sent, after decompression."""
    message: Request
    taken: bool
    at: float = field(default_factory=time.monotonic)
    """Seconds on this process's clock."""


@dataclass
class Taken:
    """What a receiver got."""

    received: list[Received] = field(default_factory=list)

    def requests(self, signal: str) -> list[Received]:
        """All requests of a signal, answered well or not."""
        return [one for one in list(self.received) if one.signal == signal]

    def logs(self) -> list[LogRecord]:
        """All records taken, in order of arrival."""
        return [
            record
            for one in self._taken(ExportLogsServiceRequest)
            for resource in one.resource_logs
            for scope in resource.scope_logs
            for record in scope.log_records
        ]

    def spans(self) -> list[Span]:
        """All spans taken, in order of arrival."""
        return [
            span
            for one in self._taken(ExportTraceServiceRequest)
            for resource in one.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def metrics(self) -> list[Metric]:
        """The metrics of the last request taken."""
        taken = self._taken(ExportMetricsServiceRequest)
        if not taken:
            return []
        return [m for r in taken[-1].resource_metrics for s in r.scope_metrics for m in s.metrics]

    def _taken(self, kind: type[Kind]) -> list[Kind]:
        return [one.message for one in list(self.received) if one.taken and isinstance(one.message, kind)]


class Receiver(Taken):
    """Runs on one port for its life; `stop` and `start` take it away and bring it back."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        super().__init__()
        self._host = host
        self._replies: dict[str, deque[Reply]] = {signal: deque() for signal in REQUESTS}
        self._always: dict[str, Reply] = {}
        self._judge: Callable[[Received], Reply | None] = lambda _: None
        self._closing = threading.Event()
        self._server: ThreadingHTTPServer | None = None
        self._open: set[socket.socket] = set()
        with socket.socket(self._family) as probe:
            probe.bind((host, 0))
            self.port = int(probe.getsockname()[1])

    @property
    def url(self) -> str:
        """Base address."""
        return f"http://[{self._host}]:{self.port}" if ":" in self._host else f"http://{self._host}:{self.port}"

    @property
    def _family(self) -> socket.AddressFamily:
        return socket.AF_INET6 if ":" in self._host else socket.AF_INET

    def script(self, signal: str, *replies: Reply) -> None:
        """Answer the next requests of `signal` (logs, traces, metrics) so, then as usual."""
        self._replies[signal].extend(replies)

    def always(self, signal: str, reply: Reply | None) -> None:
        """Answer every request of `signal` so; None: as usual again."""
        if reply is None:
            self._always.pop(signal, None)
        else:
            self._always[signal] = reply

    def judge(self, decide: Callable[[Received], Reply | None]) -> None:
        """Let `decide` look at each request first; None: as usual."""
        self._judge = decide

    def start(self) -> None:
        """Listen."""
        self._closing.clear()
        receiver = self

        class Handler(_Handler):
            owner = receiver

        class Server(ThreadingHTTPServer):
            address_family = self._family
            daemon_threads = True
            allow_reuse_address = True

        self._server = Server((self._host, self.port), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Refuse connections from now on, and end those that are open."""
        self._closing.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _take(self, signal: str, headers: Mapping[str, str], body: bytes) -> Reply:
        message = REQUESTS[signal].FromString(body)
        judged = self._judge(Received(signal, headers, body, message, taken=False))
        waiting = self._replies[signal]
        reply = judged or (waiting.popleft() if waiting else self._always.get(signal, Reply()))
        self.received.append(Received(signal, headers, body, message, reply.takes))
        return reply


class _Handler(BaseHTTPRequestHandler):
    owner: Receiver
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.owner._open.add(self.connection)

    def finish(self) -> None:
        self.owner._open.discard(self.connection)
        with suppress(OSError):
            super().finish()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        reply = self.owner._take(self.path.rsplit("/", 1)[-1], dict(self.headers.items()), body)
        if reply.hang:
            self.owner._closing.wait(60)
        if reply.hang or reply.drop:
            self.close_connection = True
            return
        with suppress(OSError):
            self._answer(reply)

    def _answer(self, reply: Reply) -> None:
        if reply.raw is not None:
            self.connection.sendall(reply.raw)
            self.close_connection = True
            return
        if reply.drip:
            for byte in b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n" + b"x-slow: 1\r\n" * 100:
                self.connection.sendall(bytes([byte]))
                if self.owner._closing.wait(1.0):
                    return
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("content-type", reply.content_type)
        self.send_header("content-length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)

    def log_message(self, *_: object) -> None:
        pass


def partial(signal: str, rejected: int, message: str) -> Reply:
    """A 200 that says that some records were not taken."""
    names = {"logs": "rejected_log_records", "metrics": "rejected_data_points", "traces": "rejected_spans"}
    response = RESPONSES[signal]()
    setattr(response.partial_success, names[signal], rejected)
    response.partial_success.error_message = message
    return Reply(body=response.SerializeToString())


def values(pairs: Iterable[KeyValue]) -> dict[str, Value]:
    """Attributes as plain values."""
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Value:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [_value(each) for each in value.array_value.values]
    plain = getattr(value, kind)
    assert isinstance(plain, str | bool | int | float)
    return plain


@contextmanager
def receiver() -> Iterator[Receiver]:
    """A running receiver."""
    one = Receiver()
    one.start()
    try:
        yield one
    finally:
        one.stop()
