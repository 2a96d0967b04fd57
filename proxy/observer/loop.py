"""The observer, one per ledger: its threads, from taking the lock to letting go of it.

It projects what is committed, ships every signal, closes what dead processes left open and keeps the ledger in bounds.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from itertools import chain

from proxy.ledger import cursors, damage, meta
from proxy.ledger.connect import reader, writer
from proxy.ledger.errors import Trouble
from proxy.ledger.folder import Folder
from proxy.ledger.processes import Hold, close_interrupted, hold
from proxy.ledger.queries import Listed
from proxy.observer import health
from proxy.observer.complaints import Seldom
from proxy.observer.delivery.replies import Signal
from proxy.observer.delivery.sending import Pace
from proxy.observer.exports import Exports, Maker, switch
from proxy.observer.exposition import exposition
from proxy.observer.projector import Projector
from proxy.observer.retaining import Kept, Retaining
from proxy.observer.shared import Shared
from proxy.observer.table import Point, Series
from proxy.settings.otlp import TEMPORALITY, Otlp
from proxy.settings.shape import METRIC_INTERVAL_S, MOST_SERIES

STOP_S = 3.0
"""How long stopping waits for what is on its way; with the rest of the end no more than five seconds."""
_PROCESS = "observer"
_RETRY_S = 1.0

_log = logging.getLogger(__name__)

Listener = Callable[[Sequence[Listed]], None]


class Observer:
    """Everything between the ledger and those who look. Start it after any fork, once the ledger is prepared."""

    def __init__(
        self,
        folder: Folder,
        otlp: Otlp,
        retention: Kept,
        endpoints: Mapping[str, str | None],
        *,
        main_account: str | None = None,
        max_series: int = MOST_SERIES,
        metric_interval_s: float = METRIC_INTERVAL_S,
        pages: str | None = None,
        pace: Pace | None = None,
        poll_s: float = 0.2,
        fold_s: float = 5.0,
        patience_s: float = 5.0,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """`endpoints`: name and organisation of each; `pages`: address of a request's page without its id.

        `patience_s`: how long to wait for an observer that is just ending.
        """
        self._folder = folder
        self._otlp = otlp
        self._endpoints = endpoints
        self._main_account = main_account
        self._max_series = max_series
        self._metric_interval_s = metric_interval_s
        self._pages = pages
        self._pace = pace or Pace()
        self._poll_s = poll_s
        self._fold_s = fold_s
        self._patience_s = patience_s
        self._clock_ns = clock_ns
        self._listeners: list[tuple[Listener, Seldom]] = []
        self._exports = Exports()
        self._shared = Shared()
        self._hold: Hold | None = None
        self._projector: Projector | None = None
        self._stop = threading.Event()
        self._ready = threading.Event()
        self._failed: Exception | None = None
        self._failing = Seldom()
        self._projection_failing = False
        self._projecting = threading.Thread(target=self._project, name="project", daemon=True)
        self._retaining = Retaining(folder, retention, self._count_evicted, clock_ns)

    def listen(self, listener: Listener) -> None:
        """Call `listener` with the exchanges that were committed with their cost; from the observer's thread."""
        self._listeners.append((listener, Seldom()))

    def start(self) -> None:
        """Take the lock and start all threads.

        Raises LedgerRefused when another observer has the ledger, and sqlite3.Error when it cannot be used.
        """
        self._hold = hold(self._folder, _PROCESS, self._patience_s)
        try:
            with closing(writer(self._folder.ledger)) as conn:
                switch(conn, self._otlp)
                maker = Maker(
                    self._otlp, self._folder.ledger, meta.instance_id(conn), self._pace, self._clock_ns, self._shared
                )
            self._exports = maker.exports(self._look, self._metric_interval_s, self._pages)
            self._projecting.start()
            self._ready.wait()
            if self._failed is not None:
                raise self._failed
            self._retaining.start({Signal.METRICS.value, *(signal.value for signal in self._exports.shippers)})
        except BaseException as error:
            self._stop.set()
            self._hold.release()
            if isinstance(error, Exception):
                damage.met(self._folder, error)
            raise
        senders = self._exports.by_signal()
        _log.info("sent by OTLP: %s", ", ".join(signal.value for signal in senders) or "nothing, no endpoint is set")
        if self._exports.meter is not None:
            self._exports.meter.covered = self._look()[0]
            if self._otlp.temporality_ignored:
                _log.warning("%s=%s is ignored: metrics are always cumulative", TEMPORALITY, self._otlp.temporality)
        for sender in senders.values():
            sender.start()

    def stop(self) -> None:
        """Project and send what waits, as far as that goes within a few seconds, and end. The rest stays pending."""
        deadline = time.monotonic() + STOP_S
        self._stop.set()
        self._retaining.stop()
        self._projecting.join(STOP_S / 2)
        self._exports.stop(deadline)
        self._retaining.join(max(0.0, deadline - time.monotonic()))
        # A thread that still waits for the ledger keeps the lock, which ends with the process.
        if self._hold is not None and not self._projecting.is_alive():
            self._hold.release()

    def metrics_page(self, accept: str | None = None, health_only: bool = False) -> tuple[bytes, str]:
        """What `/metrics` shows: body and content type, in the format `accept` prefers. Raises sqlite3.Error.

        `health_only` leaves out what is sent by OTLP, too: many thousand series would keep a scrape waiting.
        """
        with closing(reader(self._folder.ledger)) as conn:
            places = cursors.all_of(conn)
            states = {
                signal: (shipper.health, places.get(signal.value, 0))
                for signal, shipper in self._exports.shippers.items()
            }
            if self._exports.meter is not None:
                states[Signal.METRICS] = (self._exports.meter.health, self._exports.meter.covered)
            own = list(health.points(conn, self._folder, states, self._clock_ns()))
        if health_only:
            return exposition(self._projected().health(), own, accept)
        _, series, gauges = self._look()
        return exposition(series, chain(gauges, own), accept)

    def degraded(self) -> list[str]:
        """What does not work at the moment: `projection_failing`, `disk_low`, `logs_undelivered` …; empty when well."""
        undelivered = [
            f"{signal.value}_undelivered"
            for signal, sender in self._exports.by_signal().items()
            if sender.health.up is False
        ]
        projecting = ["projection_failing"] if self._projection_failing else []
        damaged = [Trouble.DAMAGED.value] if self._folder.damaged.exists() else []
        return [*damaged, *projecting, *self._retaining.degraded(), *undelivered]

    def _count_evicted(self, number: int) -> None:
        if self._projector is not None:
            self._projector.evicted(number)

    def _look(self) -> tuple[int, list[Series], list[Point]]:
        return self._projected().look()

    def _projected(self) -> Projector:
        if self._projector is None:
            raise RuntimeError("the observer has not been started")
        return self._projector

    def _project(self) -> None:
        """The projecting thread: its connection is the only one that changes costs and totals."""
        try:
            conn = writer(self._folder.ledger)
            close_interrupted(conn, self._folder, self._clock_ns)
            self._projector = Projector(
                conn, self._folder, self._endpoints, self._main_account, self._max_series, self._clock_ns, self._shared
            )
        except Exception as error:
            self._failed = error
            return
        finally:
            self._ready.set()
        with closing(conn):
            fold_at = time.monotonic()
            while not self._stop.is_set():
                due = time.monotonic() >= fold_at
                if due:
                    fold_at = time.monotonic() + self._fold_s
                if not self._pass(conn, self._projector, fold=due):
                    self._stop.wait(self._poll_s)
            drained_by = time.monotonic() + STOP_S / 2
            while self._pass(conn, self._projector, fold=True) and time.monotonic() < drained_by:
                pass

    def _pass(self, conn: sqlite3.Connection, projector: Projector, *, fold: bool) -> bool:
        """One look at the journal; whether there is more. Trouble is waited out and begun again."""
        try:
            if fold:
                close_interrupted(conn, self._folder, self._clock_ns)
                projector.fold()
            projected = projector.step()
        except Exception as error:
            self._projection_failing = True
            damage.met(self._folder, error)
            if self._failing.now():
                _log.exception("projecting failed and goes on where the ledger stands")
            self._stop.wait(_RETRY_S)
            with suppress(sqlite3.Error, UnicodeDecodeError):
                projector.load()
            return False
        self._failing.over()
        self._projection_failing = False
        if projected:
            for shipper in self._exports.shippers.values():
                shipper.wake()
            self._tell(projected)
        # What comes in meanwhile is worth waiting for: transactions and requests cost more than the calls in them.
        return projector.behind

    def _tell(self, projected: Sequence[Listed]) -> None:
        for listener, failing in self._listeners:
            try:
                listener(projected)
            except Exception:
                if failing.now():
                    _log.exception("a listener failed")
            else:
                failing.over()
