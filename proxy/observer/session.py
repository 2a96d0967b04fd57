"""The HTTP session under the SDK's OTLP exporters: decides what counts as delivered, and keeps what was answered.

The exporters take any 2xx or 3xx for success, do not read the reply, and have no time limit for a dripping one
(https://github.com/open-telemetry/opentelemetry-python, `otlp/common/http.py`). Here only a 2xx with a readable OTLP
body is success; everything else raises NotDelivered, which the exporters do not retry: the caller decides.
"""

from __future__ import annotations

import contextlib
import math
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import Enum
from http import HTTPStatus

import requests
from google.protobuf import json_format
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NewConnectionError

from proxy.observer.text import printable

_LONGEST_REPLY = 1024 * 1024
_CHUNK = 16 * 1024
_TOO_MUCH_OR_WRONG = frozenset({400, 413})
_LATER = frozenset({408, 429})


class Signal(Enum):
    """What is delivered; the value is the name of its cursor."""

    METRICS = "metrics"
    LOGS = "logs"
    SPANS = "spans"


class Verdict(Enum):
    """What a reply means for a batch."""

    DELIVERED = "delivered"
    AGAIN = "again"
    """Unreachable, busy or broken: keep the batch and try again."""
    REFUSED = "refused"
    """The contents are refused: smaller batches, then without the record."""
    MISCONFIGURED = "misconfigured"
    """Somebody has to do something about endpoint or credentials: keep the batch and try again slowly."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of one delivery."""

    verdict: Verdict
    said: str = ""
    """For people: status or error, and what the receiver wrote."""
    status: int | None = None
    """None: no answer."""
    retry_after: float | None = None
    """Seconds the receiver asks for."""
    rejected: int = 0
    """Records of a delivered batch that the receiver did not take."""
    untaken: bool = False
    """The receiver has certainly taken nothing; without it a failure leaves that open."""


class NotDelivered(Exception):
    """Stops the exporter; the reply says why."""


class OtlpSession(requests.Session):
    """One per signal and thread. `reply` is that of the last request, None when none was sent."""

    def __init__(self, signal: Signal) -> None:
        super().__init__()
        self.reply: Reply | None = None
        self._signal = signal
        self._connection: HTTPConnection | None = None
        # Otherwise a `.netrc` replaces the credential that was set for telemetry.
        self.auth = _as_it_is
        for scheme in ("http://", "https://"):
            self.mount(scheme, _WatchedAdapter(self._opened))

    def request(  # type: ignore[override]
        self,
        method: str,
        url: str,
        *,
        headers: dict[str, str] | None = None,
        data: bytes | None = None,
        timeout: float = 10.0,
        allow_redirects: bool = False,
    ) -> requests.Response:
        """Send within the time-out as a whole, headers and body of the reply included. Raises NotDelivered."""
        watch = threading.Timer(timeout, self.abort)
        watch.daemon = True
        watch.start()
        try:
            with super().request(
                method, url, headers=headers, data=data, timeout=timeout, allow_redirects=allow_redirects, stream=True
            ) as response:
                self.reply = judge(self._signal, response, _read(response))
        except (requests.RequestException, OSError, ValueError) as error:
            reason = getattr(error.args[0], "reason", None) if error.args else None
            never_connected = isinstance(reason, NewConnectionError)
            # urllib3 puts the representation of its own object before the cause.
            cause = str(reason).rpartition("): ")[2] if never_connected else f"{type(error).__name__}: {error}"
            self.reply = Reply(Verdict.AGAIN, printable(cause, 300), untaken=never_connected)
        finally:
            watch.cancel()
        if self.reply.verdict is not Verdict.DELIVERED:
            raise NotDelivered(self.reply.said)
        return response

    def abort(self) -> None:
        """End whatever is on its way; may be called from any thread."""
        sock = None if self._connection is None else self._connection.sock
        if sock is not None:
            # Not by the TLS layer, whose objects are not made for two threads.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def _opened(self, connection: HTTPConnection) -> None:
        self._connection = connection


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def judge(signal: Signal, response: requests.Response, body: bytes) -> Reply:
    """What a complete reply means."""
    status = response.status_code
    if 200 <= status < 300:
        return _judge_success(signal, response, body)
    said = printable(f"status {status} {body[:200].decode('utf-8', 'replace')}".strip(), 300)
    if status in _TOO_MUCH_OR_WRONG:
        return Reply(Verdict.REFUSED, said, status, untaken=True)
    again = status in _LATER or status >= 500
    # Behind a gateway, 500, 502 and 504 leave open what the receiver did.
    untaken = status < 500 or status == HTTPStatus.SERVICE_UNAVAILABLE
    verdict = Verdict.AGAIN if again else Verdict.MISCONFIGURED
    return Reply(verdict, said, status, _retry_after(response), untaken=untaken)


def _judge_success(signal: Signal, response: requests.Response, body: bytes) -> Reply:
    status, kind = response.status_code, response.headers.get("content-type", "").split(";")[0].strip().lower()
    message = _RESPONSES[signal]()
    try:
        if kind == "application/json":
            json_format.Parse(body, message, ignore_unknown_fields=True)
        elif not body or kind in ("application/x-protobuf", ""):
            message.ParseFromString(body)
        else:
            return Reply(Verdict.MISCONFIGURED, f"status {status}, but no OTLP reply: {printable(kind, 100)}", status)
    except (DecodeError, json_format.ParseError):
        return Reply(Verdict.MISCONFIGURED, f"status {status}, but no OTLP reply", status)
    partial = message.partial_success
    rejected = max(0, int(getattr(partial, _REJECTED[signal])))
    return Reply(Verdict.DELIVERED, printable(partial.error_message, 300), status, rejected=rejected)


_Response = ExportMetricsServiceResponse | ExportLogsServiceResponse | ExportTraceServiceResponse
_RESPONSES: dict[Signal, type[_Response]] = {
    Signal.METRICS: ExportMetricsServiceResponse,
    Signal.LOGS: ExportLogsServiceResponse,
    Signal.SPANS: ExportTraceServiceResponse,
}
_REJECTED = {
    Signal.METRICS: "rejected_data_points",
    Signal.LOGS: "rejected_log_records",
    Signal.SPANS: "rejected_spans",
}


def _read(response: requests.Response) -> bytes:
    """The body, as far as a reply may reasonably go."""
    body = b""
    for chunk in response.iter_content(_CHUNK):
        body += chunk
        if len(body) > _LONGEST_REPLY:
            break
    return body


def _retry_after(response: requests.Response) -> float | None:
    """Seconds, or until an HTTP date (RFC 9110, 10.2.3)."""
    value = response.headers.get("retry-after", "").strip()
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except (TypeError, ValueError):
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


class _WatchedAdapter(HTTPAdapter):
    """Tells which connection was opened last; a session is used by one thread, so it is the one in use."""

    def __init__(self, opened: Callable[[HTTPConnection], None]) -> None:
        super().__init__()

        class Plain(HTTPConnection):
            def connect(self) -> None:
                super().connect()
                opened(self)

        class Secure(HTTPSConnection):
            def connect(self) -> None:
                super().connect()
                opened(self)

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class SecurePool(HTTPSConnectionPool):
            ConnectionCls = Secure

        self.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}
