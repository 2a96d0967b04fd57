"""Delivery by OTLP over gRPC: one call per batch, judged by its status.

https://opentelemetry.io/docs/specs/otlp/#failures says which statuses can be tried again; beyond that nothing is
thrown away that somebody can mend or that may be over tomorrow.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import grpc
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from proxy.observer.delivery.replies import RESPONSES, Reply, Response, Signal, Verdict, taken
from proxy.observer.text import printable
from proxy.settings.otlp import Exporter
from proxy.version import version

_METHODS = {
    Signal.METRICS: "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
    Signal.LOGS: "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    Signal.SPANS: "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
}
_MISCONFIGURED = frozenset(
    {
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.FAILED_PRECONDITION,
    }
)
_UNTAKEN = _MISCONFIGURED | {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED}
_TOO_LARGE = "larger than max"
"""What gRPC itself says of a message beyond the receiver's limit, in every implementation."""
_NOT_CONNECTED = ("failed to connect", "DNS resolution failed")
_DETAILS = "grpc-status-details-bin"
_OPTIONS = (
    ("grpc.primary_user_agent", f"anthropic-proxy/{version()}"),
    # When to try again is decided by the caller, who also waits for hours.
    ("grpc.enable_retries", 0),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.service_config_disable_resolution", 1),
)


class GrpcSender:
    """One per signal and thread."""

    def __init__(self, signal: Signal, target: Exporter) -> None:
        self._signal = signal
        self._target = target
        self._metadata = tuple((name.lower(), value) for name, value in target.headers.items())
        self._channel: grpc.Channel | None = None
        self._call: grpc.Future[Response] | None = None

    def send(self, payload: bytes) -> Reply:
        """Call once, within the time-out as a whole."""
        try:
            call = self._call = self._export()(payload)
            return taken(self._signal, call.result(), None)
        except grpc.RpcError as error:
            self._hang_up()
            return judge(error)
        except (grpc.FutureCancelledError, grpc.FutureTimeoutError) as error:
            return Reply(Verdict.AGAIN, type(error).__name__)
        except OSError as error:
            return Reply(Verdict.MISCONFIGURED, printable(str(error), 300), untaken=True)
        finally:
            self._call = None

    def abort(self) -> None:
        """End whatever is on its way; may be called from any thread."""
        call = self._call
        if call is not None:
            call.cancel()

    def _export(self) -> Callable[[bytes], grpc.Future[Response]]:
        if self._channel is None:
            self._channel = _open(self._target)
        export: grpc.UnaryUnaryMultiCallable[bytes, Response] = self._channel.unary_unary(
            _METHODS[self._signal], response_deserializer=RESPONSES[self._signal].FromString
        )
        compression = grpc.Compression.Gzip if self._target.compression == "gzip" else grpc.Compression.NoCompression
        return lambda payload: export.future(
            payload, timeout=self._target.timeout, metadata=self._metadata, compression=compression
        )

    def _hang_up(self) -> None:
        """A channel that has failed waits longer and longer by itself, and keeps to the address it once found."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None


def judge(error: grpc.RpcError) -> Reply:
    """What a failed call means."""
    if not isinstance(error, grpc.Call):
        return Reply(Verdict.AGAIN, printable(str(error), 300))
    code, details = error.code(), error.details() or ""
    said = printable(f"{code.name} {details}".strip(), 300)
    too_large = code is grpc.StatusCode.RESOURCE_EXHAUSTED and _TOO_LARGE in details.lower()
    if too_large or code is grpc.StatusCode.INVALID_ARGUMENT:
        return Reply(Verdict.REFUSED, said, untaken=True)
    verdict = Verdict.MISCONFIGURED if code in _MISCONFIGURED else Verdict.AGAIN
    never_connected = code is grpc.StatusCode.UNAVAILABLE and details.startswith(_NOT_CONNECTED)
    return Reply(verdict, said, retry_after=_retry_after(error), untaken=never_connected or code in _UNTAKEN)


def _retry_after(call: grpc.Call) -> float | None:
    """Seconds of a RetryInfo; None without one."""
    metadata = dict(call.trailing_metadata() or ())
    with suppress(DecodeError, TypeError):
        for detail in Status.FromString(metadata.get(_DETAILS, b"")).details:
            asked = RetryInfo()
            if detail.Unpack(asked):
                return max(0.0, float(asked.retry_delay.seconds + asked.retry_delay.nanos / 1e9))
    return None


def _open(target: Exporter) -> grpc.Channel:
    """A channel to the target. Raises OSError for files that cannot be read."""
    parts = urlsplit(target.endpoint)
    if parts.scheme == "http":
        return grpc.insecure_channel(parts.netloc, _OPTIONS)
    credentials = grpc.ssl_channel_credentials(
        _read(target.certificate), _read(target.client_key), _read(target.client_certificate)
    )
    return grpc.secure_channel(parts.netloc, credentials, _OPTIONS)


def _read(path: str | None) -> bytes | None:
    return None if path is None else Path(path).read_bytes()
