"""The thread that sends the totals at a fixed interval. A failed export needs no retry: the next one says it all."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from proxy.ledger.connect import writer
from proxy.names.metrics import Channel
from proxy.observer import wire
from proxy.observer.beginnings import Beginnings
from proxy.observer.delivery.replies import Reply, Signal, Verdict
from proxy.observer.delivery.sending import Pace, Sender, SendingThread
from proxy.observer.export_metrics import Exemplars, metrics
from proxy.observer.table import Label, Point, Series

Look = Callable[[], tuple[int, list[Series], list[Point]]]
"""The journal number that is covered, all series and all gauges, of one moment."""


MOST_SERIES_OF_REQUEST = 500
"""And as many gauges: with the longest labels and all exemplars still well below `delivery.MOST_BYTES`."""


class Meter(SendingThread):
    """Sends what `look` shows."""

    def __init__(
        self,
        ledger: Path,
        sender: Sender,
        look: Look,
        request: Callable[[Sequence[bytes]], bytes],
        *,
        interval_s: float,
        pace: Pace | None = None,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """`request` puts encoded metrics into one request."""
        super().__init__(Signal.METRICS, sender, pace)
        self.covered = 0
        """The journal number that the last delivered export covers."""
        self._ledger = ledger
        self._look = look
        self._request = request
        self._interval_s = interval_s
        self._clock_ns = clock_ns
        self._shown: dict[tuple[str, tuple[Label, ...]], Exemplars] = {}

    def _run(self) -> None:
        failures = 0
        while True:
            last = self._stop.is_set()
            reply = self._send()
            failures = 0 if reply.verdict is Verdict.DELIVERED else failures + 1
            if last:
                return
            self._stop.wait(max(self._interval_s, self._pace.wait(reply, failures) if failures else 0.0))

    def _send(self) -> Reply:
        covered, series, gauges = self._look()
        sent = [one for one in series if one.instrument.channel is Channel.OTLP]
        now_ns = self._clock_ns()
        with closing(writer(self._ledger)) as conn:
            beginnings = Beginnings(conn)
            beginnings.sending(sent, now_ns)
            reply = self._deliver(sent, gauges, now_ns, beginnings)
            if reply.verdict is Verdict.DELIVERED:
                # What began before this export but was committed after the look at the table is yet to come.
                beginnings.delivered(max((one.started_ns for one in sent), default=0))
            elif reply.untaken:
                beginnings.refused(now_ns)
        self._judge(reply, covered, sent)
        return reply

    def _deliver(self, sent: list[Series], gauges: list[Point], now_ns: int, beginnings: Beginnings) -> Reply:
        """One export, in as many requests as it takes; ends with the first that fails."""
        rejected = 0
        for start in range(0, max(len(sent), len(gauges), 1), MOST_SERIES_OF_REQUEST):
            part = slice(start, start + MOST_SERIES_OF_REQUEST)
            found = metrics(sent[part], gauges[part], now_ns, beginnings.zero_ns, self._new_exemplars)
            reply = self._sender.send(self._request([wire.item(one.SerializeToString()) for one in found]))
            rejected += reply.rejected
            if reply.verdict is not Verdict.DELIVERED:
                return replace(reply, untaken=reply.untaken and start == 0)
        return replace(reply, rejected=rejected)

    def _judge(self, reply: Reply, covered: int, sent: list[Series]) -> None:
        self.health.up = reply.verdict is Verdict.DELIVERED
        if not self.health.up:
            self.health.failures += 1
            self._complaints.failed(reply)
            return
        self.covered = covered
        self._shown = {(one.instrument.name, one.labels): dict(one.exemplars) for one in sent if one.exemplars}
        self._complaints.delivered()
        if reply.rejected:
            self._complaints.given_up(reply.rejected, reply)

    def _new_exemplars(self, one: Series) -> Exemplars:
        shown = self._shown.get((one.instrument.name, one.labels), {})
        return {bucket: held for bucket, held in one.exemplars.items() if shown.get(bucket) is not held}
