"""An OTLP receiver over gRPC that decodes what it gets and answers as it is told."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import grpc
from google.protobuf.any_pb2 import Any
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from tests.receiver import REQUESTS, RESPONSES, Received, Response, Taken

_SERVICES = {
    "opentelemetry.proto.collector.metrics.v1.MetricsService": "metrics",
    "opentelemetry.proto.collector.logs.v1.LogsService": "logs",
    "opentelemetry.proto.collector.trace.v1.TraceService": "traces",
}
MOST_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class Answer:
    """How to answer one call."""

    code: grpc.StatusCode = grpc.StatusCode.OK
    details: str = ""
    retry_s: float | None = None
    """Seconds in a RetryInfo; None: there is none."""
    response: Response | None = None
    """Instead of an empty one."""
    hang: bool = False
    """Take the call and never answer."""
    raw: bytes | None = None
    """Answer with these bytes as the message."""


@dataclass
class GrpcReceiver(Taken):
    """Runs on one port for its life; `stop` and `start` take it away and bring it back."""

    certificate: tuple[bytes, bytes] | None = None
    """Key and certificate chain; None: without TLS."""
    callers: bytes | None = None
    """Authority that signs the certificates of callers, which are then asked for."""
    most_bytes: int = MOST_BYTES
    host: str = "127.0.0.1"
    port: int = 0
    _answers: dict[str, deque[Answer]] = field(default_factory=lambda: {signal: deque() for signal in REQUESTS})
    _always: dict[str, Answer] = field(default_factory=dict)
    _closing: threading.Event = field(default_factory=threading.Event)
    _server: grpc.Server | None = None

    @property
    def url(self) -> str:
        """Address with the scheme that says whether it is TLS."""
        return f"{'http' if self.certificate is None else 'https'}://{self._address}"

    @property
    def _address(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def script(self, signal: str, *answers: Answer) -> None:
        """Answer the next calls of `signal` (logs, traces, metrics) so, then as usual."""
        self._answers[signal].extend(answers)

    def always(self, signal: str, answer: Answer | None) -> None:
        """Answer every call of `signal` so; None: as usual again."""
        if answer is None:
            self._always.pop(signal, None)
        else:
            self._always[signal] = answer

    def start(self) -> None:
        """Listen, on the same port as before."""
        self._closing.clear()
        options = (("grpc.max_receive_message_length", self.most_bytes), ("grpc.so_reuseport", 0))
        self._server = grpc.server(ThreadPoolExecutor(8), options=options)
        for service, signal in _SERVICES.items():
            self._server.add_generic_rpc_handlers(
                (grpc.method_handlers_generic_handler(service, {"Export": self._method(signal)}),)
            )
        if self.certificate is None:
            self.port = self._server.add_insecure_port(self._address)
        else:
            credentials = grpc.ssl_server_credentials([self.certificate], self.callers, self.callers is not None)
            self.port = self._server.add_secure_port(self._address, credentials)
        self._server.start()

    def stop(self) -> None:
        """Refuse connections from now on, and end those that are open."""
        self._closing.set()
        if self._server is not None:
            self._server.stop(None).wait(10)
            self._server = None

    def _method(self, signal: str) -> grpc.RpcMethodHandler[bytes, bytes]:
        return grpc.unary_unary_rpc_method_handler(lambda payload, context: self._take(signal, payload, context))

    def _take(self, signal: str, payload: bytes, context: grpc.ServicerContext) -> bytes:
        waiting = self._answers[signal]
        answer = waiting.popleft() if waiting else self._always.get(signal, Answer())
        headers: Mapping[str, str] = {name: str(value) for name, value in context.invocation_metadata()}
        taken = answer.code is grpc.StatusCode.OK and not answer.hang and answer.raw is None
        self.received.append(Received(signal, headers, payload, REQUESTS[signal].FromString(payload), taken))
        if answer.hang:
            self._closing.wait(60)
        if answer.code is not grpc.StatusCode.OK:
            if answer.retry_s is not None:
                context.set_trailing_metadata((("grpc-status-details-bin", _details(answer)),))
            context.abort(answer.code, answer.details)
        if answer.raw is not None:
            return answer.raw
        return (answer.response or RESPONSES[signal]()).SerializeToString()


def _details(answer: Answer) -> bytes:
    info = RetryInfo()
    info.retry_delay.FromNanoseconds(round((answer.retry_s or 0) * 1e9))
    held = Any()
    held.Pack(info)
    return bytes(Status(code=answer.code.value[0], message=answer.details, details=[held]).SerializeToString())


@contextmanager
def grpc_receiver(
    certificate: tuple[bytes, bytes] | None = None, callers: bytes | None = None
) -> Iterator[GrpcReceiver]:
    """A running receiver."""
    one = GrpcReceiver(certificate=certificate, callers=callers)
    one.start()
    try:
        yield one
    finally:
        one.stop()
