"""Delivery by OTLP over HTTP: one POST per batch, an exact answer for each.

Only a 2xx with a readable OTLP body is success; a redirection or a page for people is none, and a dripping reply is not
waited for.
"""

from __future__ import annotations

import contextlib
import gzip
import math
import socket
import threading
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import requests
from google.protobuf import json_format
from google.protobuf.message import DecodeError
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NewConnectionError

from proxy.observer.delivery.replies import RESPONSES, Reply, Signal, Verdict, taken
from proxy.observer.text import printable
from proxy.settings.otlp import Exporter
from proxy.version import version

_LONGEST_REPLY = 1024 * 1024
_CHUNK = 16 * 1024
_TOO_MUCH_OR_WRONG = frozenset({400, 413})
_LATER = frozenset({408, 429})
_HTTP_1_0 = 10


class HttpSender:
    """One per signal and thread."""

    def __init__(self, signal: Signal, target: Exporter) -> None:
        self._signal = signal
        self._target = target
        self._connection: HTTPConnection | None = None
        self._session = requests.Session()
        # Otherwise a `.netrc` replaces the credential that was set for telemetry.
        self._session.auth = _as_it_is
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, _WatchedAdapter(self._opened))
        self._session.headers.update({"user-agent": f"anthropic-proxy/{version()}", **target.headers})
        self._session.headers["content-type"] = "application/x-protobuf"
        self._session.verify = target.certificate or True
        certificate, key = target.client_certificate, target.client_key
        self._session.cert = certificate if certificate is None or key is None else (certificate, key)

    def send(self, payload: bytes) -> Reply:
        """Post once, within the time-out as a whole, the body of the reply included."""
        headers = {}
        if self._target.compression == "gzip":
            # The fastest level: telemetry repeats itself so much that others save little more.
            payload, headers = gzip.compress(payload, 1, mtime=0), {"content-encoding": "gzip"}
        watch = threading.Timer(self._target.timeout, self.abort)
        watch.daemon = True
        watch.start()
        try:
            with self._session.post(
                self._target.endpoint,
                data=payload,
                headers=headers,
                timeout=self._target.timeout,
                allow_redirects=False,
                stream=True,
            ) as response:
                return judge(self._signal, response, _read(response))
        except (requests.RequestException, OSError, ValueError) as error:
            reason = getattr(error.args[0], "reason", None) if error.args else None
            never_connected = isinstance(reason, NewConnectionError)
            # urllib3 puts the representation of its own object before the cause.
            cause = str(reason).rpartition("): ")[2] if never_connected else f"{type(error).__name__}: {error}"
            return Reply(Verdict.AGAIN, printable(cause, 300), untaken=never_connected)
        finally:
            watch.cancel()

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
    if _broken_off(response, body):
        return Reply(Verdict.AGAIN, "the answer broke off in its head")
    status, kind = response.status_code, response.headers.get("content-type", "").split(";")[0].strip().lower()
    message = RESPONSES[signal]()
    try:
        if kind == "application/json":
            json_format.Parse(body, message, ignore_unknown_fields=True)
        elif not body or kind in ("application/x-protobuf", ""):
            message.ParseFromString(body)
        else:
            return Reply(Verdict.MISCONFIGURED, f"status {status}, but no OTLP reply: {printable(kind, 100)}", status)
    except (DecodeError, json_format.ParseError):
        return Reply(Verdict.MISCONFIGURED, f"status {status}, but no OTLP reply", status)
    return taken(signal, message, status)


def _broken_off(response: requests.Response, body: bytes) -> bool:
    """Whether the head of an answer ended early, which http.client takes for its end.

    An empty body that the end of the connection ends is an answer only where that was announced.
    """
    head = getattr(getattr(response.raw, "_original_response", None), "msg", None)
    framed = {"content-length", "transfer-encoding"} & {name.lower() for name in response.headers}
    closes = response.raw.version == _HTTP_1_0 or response.headers.get("connection", "").lower() == "close"
    silent = not body and not framed and not closes and response.status_code != HTTPStatus.NO_CONTENT
    return silent or bool(getattr(head, "defects", None))


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
