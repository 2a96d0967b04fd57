"""Delivery of one signal: its protocol, the life of its thread, and how long to wait after failures."""

from __future__ import annotations

import ssl
import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Protocol

from requests.utils import DEFAULT_CA_BUNDLE_PATH

from proxy.observer.complaints import Complaints
from proxy.observer.delivery.discreet import Discreet
from proxy.observer.delivery.over_http import HttpSender
from proxy.observer.delivery.replies import Reply, Signal, Verdict
from proxy.observer.health import Health
from proxy.settings.otlp import GRPC, Exporter, hush_grpc

MOST_BYTES = 4 * 1024 * 1024
"""Of one request, before compression; receivers commonly refuse more."""


class Sender(Protocol):
    """What delivers requests of one signal. Used by one thread; `abort` by any."""

    def send(self, payload: bytes) -> Reply:
        """Deliver an encoded request once; never raises for anything a receiver does."""

    def abort(self) -> None:
        """End what is on its way."""


def sender_of(signal: Signal, target: Exporter) -> Sender:
    """Delivers a signal to its target."""
    if target.protocol == GRPC:
        hush_grpc()
        from proxy.observer.delivery.over_grpc import GrpcSender

        return Discreet(GrpcSender(signal, target), target)
    return Discreet(HttpSender(signal, target), target)


def trust(target: Exporter) -> ssl.SSLContext:
    """What a TLS connection to a target is judged by and begun with, as its sender does. OSError for unusable files."""
    usual = None if target.protocol == GRPC else DEFAULT_CA_BUNDLE_PATH
    context = ssl.create_default_context(cafile=target.certificate or usual)
    if target.client_certificate is not None:
        context.load_cert_chain(target.client_certificate, target.client_key)
    return context


@dataclass(frozen=True, slots=True)
class Pace:
    """How long to wait after failures, in seconds."""

    first: float = 1.0
    most: float = 30.0
    slow: float = 60.0
    """When somebody has to mend endpoint or credentials first."""
    asked: float = 600.0
    """The longest wait that a receiver can ask for."""

    def wait(self, reply: Reply, failures: int) -> float:
        """How long after this reply, the `failures`-th in a row."""
        if reply.verdict is Verdict.MISCONFIGURED:
            own = self.slow
        else:
            own = min(self.most, self.first * 2 ** min(failures - 1, 20))
        return max(own, min(reply.retry_after or 0.0, self.asked))


class SendingThread(ABC):
    """The life of a thread that sends one signal until it is told to stop; whatever ends it before, it begins anew."""

    def __init__(self, signal: Signal, sender: Sender, pace: Pace | None) -> None:
        self.health = Health()
        self._sender = sender
        self._pace = pace or Pace()
        self._complaints = Complaints(signal)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._live, name=f"send {signal.value}", daemon=True)

    @abstractmethod
    def _run(self) -> None:
        """Send, and once more after `_stop` was set."""

    def _live(self) -> None:
        failures = 0
        while True:
            last = self._stop.is_set()
            try:
                self._run()
                return
            except BaseException:  # SystemExit, too: nobody would miss a thread that is gone
                failures += 1
                self.health.failures += 1
                self.health.up = False
                self._complaints.broken()
            if last:
                return
            self._stop.wait(min(self._pace.most, self._pace.first * failures))

    def start(self) -> None:
        """Start the thread, after any fork."""
        self._thread.start()

    def stop(self) -> None:
        """Send what waits, once, and end. Returns at once; `join` waits."""
        self._stop.set()

    def abort(self) -> None:
        """Break off what is on its way; it stays pending."""
        self._sender.abort()

    def join(self, timeout: float) -> bool:
        """Wait for the end; False when it has not come within `timeout` seconds."""
        self._thread.join(timeout)
        return not self._thread.is_alive()
