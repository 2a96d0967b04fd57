"""What is sent where: one sender per signal that has an endpoint, made of projection, delivery and resource."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from proxy.ledger import cursors, journal
from proxy.ledger.connect import transaction
from proxy.ledger.journal import JournalRow
from proxy.ledger.queries import Listed
from proxy.names import attributes
from proxy.observer import logs, spans, trace, wire
from proxy.observer.delivery.metering import Look, Meter
from proxy.observer.delivery.replies import Signal
from proxy.observer.delivery.sending import Pace, sender_of
from proxy.observer.delivery.shipping import Shipper
from proxy.observer.sampling import sampled
from proxy.observer.shared import Shared
from proxy.settings.otlp import Exporter, Otlp
from proxy.version import version

OLDEST_LOG_S = 6 * 86_400.0
"""Loki refuses a whole batch for one line that is a week old."""
_SCOPE = "anthropic-proxy"


@dataclass(frozen=True, slots=True)
class Exports:
    """The senders there are."""

    meter: Meter | None = None
    shippers: dict[Signal, Shipper] = field(default_factory=dict)

    def by_signal(self) -> dict[Signal, Meter | Shipper]:
        """Every sender with what it sends."""
        return {**({} if self.meter is None else {Signal.METRICS: self.meter}), **self.shippers}

    def stop(self, deadline: float) -> None:
        """Let each send what waits, until `deadline` (monotonic seconds), then break off what is on its way."""
        senders = self.by_signal().values()
        for sender in senders:
            sender.stop()
        late = [sender for sender in senders if not sender.join(max(0.0, deadline - time.monotonic()))]
        for sender in late:
            sender.abort()
        for sender in late:
            sender.join(0.3)


class Maker:
    """Makes senders for one ledger; `instance` names it in every record."""

    def __init__(
        self, otlp: Otlp, ledger: Path, instance: str, pace: Pace, clock_ns: Callable[[], int], shared: Shared
    ) -> None:
        self._otlp = otlp
        self._ledger = ledger
        self._pace = pace
        self._clock_ns = clock_ns
        self._shared = shared
        named = {
            **otlp.resource,
            attributes.SERVICE_NAME: otlp.service_name,
            attributes.SERVICE_INSTANCE_ID: instance,
        }
        # Logs go without version: after an update a record that is sent again must still be the same bytes.
        self._unversioned = wire.resource(named)
        self._resource = wire.resource({attributes.SERVICE_VERSION: version(), **named})
        self._scope = wire.scope(_SCOPE)

    def exports(self, look: Look, interval_s: float, pages: str | None) -> Exports:
        """Senders for all signals with an endpoint."""
        found = Exports(None if self._otlp.metrics is None else self._meter(self._otlp.metrics, look, interval_s))
        if self._otlp.logs is not None:
            found.shippers[Signal.LOGS] = self._logs(self._otlp.logs, pages)
        if self._otlp.traces is not None:
            found.shippers[Signal.SPANS] = self._spans(self._otlp.traces)
        return found

    def _meter(self, target: Exporter, look: Look, interval_s: float) -> Meter:
        return Meter(
            self._ledger,
            sender_of(Signal.METRICS, target),
            look,
            lambda found: wire.request(self._resource, self._scope, found),
            interval_s=interval_s,
            pace=self._pace,
            clock_ns=self._clock_ns,
        )

    def _logs(self, target: Exporter, pages: str | None) -> Shipper:
        def build(row: JournalRow, listed: Listed) -> list[bytes]:
            return logs.records(row, listed.exchange, listed.cost, pages)

        return Shipper(
            Signal.LOGS,
            self._ledger,
            sender_of(Signal.LOGS, target),
            build,
            lambda records: wire.request(self._unversioned, self._scope, records),
            shared=self._shared,
            oldest_s=OLDEST_LOG_S,
            pace=self._pace,
            clock_ns=self._clock_ns,
        )

    def _spans(self, target: Exporter) -> Shipper:
        def build(_: JournalRow, listed: Listed) -> list[bytes]:
            if not sampled(trace.trace_id(listed.exchange), self._otlp.sampler, self._otlp.sampler_ratio):
                return []
            return spans.spans(listed.exchange, listed.cost)

        return Shipper(
            Signal.SPANS,
            self._ledger,
            sender_of(Signal.SPANS, target),
            build,
            lambda found: wire.request(self._resource, self._scope, found),
            shared=self._shared,
            pace=self._pace,
            clock_ns=self._clock_ns,
        )


def switch(conn: sqlite3.Connection, otlp: Otlp) -> None:
    """A signal that is not exported has no cursor; one that is switched on begins at what is new.

    On a ledger that no observer has looked at yet everything is new: the relay may have been quicker to start.
    """
    with transaction(conn):
        new = 0 if cursors.get(conn, Signal.METRICS.value) is None else journal.head(conn)
        for signal, target in ((Signal.LOGS, otlp.logs), (Signal.SPANS, otlp.traces)):
            if target is None:
                cursors.remove(conn, signal.value)
            elif cursors.get(conn, signal.value) is None:
                cursors.set(conn, signal.value, new)
