"""The numbers behind all metrics: one row per series, changed in drafts that count only once they are committed."""

from __future__ import annotations

import sqlite3
import threading
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial

from proxy.ledger import totals as stored
from proxy.names.metrics import COST, INSTRUMENTS, OVERFLOW, Channel, Instrument, Kind
from proxy.settings.shape import MOST_SERIES

Label = str | int | float | None
"""A label's value; None: not known, so the series does not have the label."""
Point = tuple[Instrument, tuple[Label, ...], int | float]
"""What is read at one moment: instrument, labels in its order, value."""
Number = int | float | Decimal
_HIGHEST = 2**63 - 1
"""What ledger and OTLP can hold: a made-up token count must not spoil what comes after it."""
_OVERFLOWED: tuple[Label, ...] = ()
"""Labels of the series that takes what comes beyond the limit."""


@dataclass(frozen=True, slots=True)
class Exemplar:
    """Leads from a chart to the trace of one observation."""

    trace_id: int
    span_id: int
    time_ns: int


@dataclass(slots=True)
class Series:
    """One series: an instrument with one combination of labels."""

    instrument: Instrument
    labels: tuple[Label, ...]
    """In the order of the instrument's attributes; none at all for what lies beyond the limit."""
    started_ns: int
    """When it came into being; never changes."""
    value: Number = 0
    """Of a histogram: the sum of what was observed."""
    buckets: list[int] = field(default_factory=list)
    """Of a histogram: how many fell into each bucket, the last one without upper bound."""
    exemplars: dict[int, tuple[float, Exemplar]] = field(default_factory=dict)
    """The latest value of each bucket and where it comes from; in memory only."""

    @property
    def named_labels(self) -> dict[str, str | int | float]:
        """Labels by name, without those that are not known."""
        if self.overflowed:
            return {OVERFLOW: True}
        pairs = zip(self.instrument.attributes, self.labels, strict=True)
        return {name: value for name, value in pairs if value is not None}

    @property
    def overflowed(self) -> bool:
        """Whether it stands for all combinations of labels beyond the limit."""
        return len(self.labels) < len(self.instrument.attributes)

    @property
    def count(self) -> int:
        """Of a histogram: how many were observed."""
        return sum(self.buckets)

    def copy(self) -> Series:
        """An independent copy."""
        return Series(
            self.instrument, self.labels, self.started_ns, self.value, list(self.buckets), dict(self.exemplars)
        )


_Labels = tuple[Label, ...]
_ByLabels = dict[_Labels, Series]


class Table:
    """All committed series. Read by any thread, changed by one through drafts.

    An instrument has at most `limit` of them; further combinations of labels share one that says so:
    https://opentelemetry.io/docs/specs/otel/metrics/sdk/#cardinality-limits
    """

    def __init__(self, series: Iterable[Series] = (), limit: int = MOST_SERIES) -> None:
        self._series: defaultdict[str, _ByLabels] = defaultdict(dict)
        for one in series:
            self._series[one.instrument.name][one.labels] = one
        self._limit = limit
        self._lock = threading.Lock()

    def draft(self, now_ns: int) -> Draft:
        """Begin changes; series that they create start at `now_ns`."""
        return Draft(self._series, self._limit, now_ns)

    def commit(self, draft: Draft) -> None:
        """Make a draft visible, after the ledger has it."""
        with self._lock:
            for one in draft.changed():
                self._series[one.instrument.name][one.labels] = one

    def snapshot(self, channel: Channel | None = None) -> list[Series]:
        """All series (of one channel) as they are now, ordered by name and labels; not to be changed."""
        names = [each.name for each in INSTRUMENTS if channel in (None, each.channel)]
        with self._lock:
            rows = [one for name in names for one in self._series.get(name, {}).values()]
        rows.sort(key=lambda one: (one.instrument.name, ["" if each is None else str(each) for each in one.labels]))
        return rows

    def values(self, attribute: str) -> Iterator[Label]:
        """Every value that occurs for a label."""
        for one in self.snapshot():
            if attribute in one.instrument.attributes and not one.overflowed:
                yield one.labels[one.instrument.attributes.index(attribute)]


def load(conn: sqlite3.Connection, limit: int = MOST_SERIES) -> Table:
    """The table as the ledger has it; series of instruments that have changed or gone are left behind."""
    known = {instrument.name: instrument for instrument in INSTRUMENTS}
    found = []
    for total in stored.load(conn):
        instrument, labels = known.get(total.instrument), dict(total.labels)
        buckets = list(total.buckets or ())
        if instrument is None or not set(labels) <= {*instrument.attributes, OVERFLOW}:
            continue
        overflowed = OVERFLOW in labels
        if len(buckets) == (len(instrument.buckets) + 1 if instrument.kind is Kind.HISTOGRAM else 0):
            found.append(
                Series(
                    instrument,
                    _OVERFLOWED if overflowed else tuple(labels.get(name) for name in instrument.attributes),
                    total.started_ns,
                    # The shortest spelling of the float is the sum that was stored.
                    Decimal(repr(total.value)) if instrument is COST else total.value,
                    buckets,
                )
            )
    return Table(found, limit)


def save(conn: sqlite3.Connection, draft: Draft) -> None:
    """Write what a draft changes; the caller owns the transaction, which also moves the cursor."""
    stored.save(
        conn,
        [
            stored.Total(
                one.instrument.name,
                tuple(sorted(one.named_labels.items())),
                float(one.value) if isinstance(one.value, Decimal) else one.value,
                one.started_ns,
                tuple(one.buckets) if one.instrument.kind is Kind.HISTOGRAM else None,
            )
            for one in draft.changed()
        ],
    )


class Draft:
    """Changes to a table that can still be thrown away: touched series are copies."""

    def __init__(self, base: Mapping[str, _ByLabels], limit: int, now_ns: int) -> None:
        self._base = base
        self._limit = limit
        self._touched: defaultdict[str, _ByLabels] = defaultdict(dict)
        self._created: Counter[str] = Counter()
        self._now_ns = now_ns

    def add(self, instrument: Instrument, amount: Number, *labels: Label) -> None:
        """Count; an amount of 0 makes the series exist."""
        series = self._one(instrument, labels)
        # One series only ever sees one type of number.
        series.value = min(series.value + amount, _HIGHEST)  # type: ignore[operator, assignment]

    def observe(
        self,
        instrument: Instrument,
        values: Sequence[float | None],
        *labels: Label,
        origins: Sequence[Exemplar] | Mapping[int, Exemplar] | None = None,
    ) -> None:
        """Put values into a histogram, but not None. `origins` tells by place where a value comes from."""
        known = [value for value in values if value is not None]
        if not known:
            return
        series = self._one(instrument, labels)
        buckets = [*map(partial(bisect_left, instrument.buckets), known)]
        for bucket, number in Counter(buckets).items():
            series.buckets[bucket] += number
        series.value = min(sum(known, series.value), _HIGHEST)
        if origins is not None:
            places = (place for place, value in enumerate(values) if value is not None)
            whence = range(len(known)) if len(known) == len(values) else places
            for bucket, (place, value) in dict(zip(buckets, zip(whence, known, strict=True), strict=True)).items():
                series.exemplars[bucket] = (value, origins[place])

    def merge(self, instrument: Instrument, buckets: Iterable[int], total: float, *labels: Label) -> None:
        """Add counts that were put into the same buckets elsewhere."""
        series = self._one(instrument, labels)
        series.buckets = [old + new for old, new in zip(series.buckets, buckets, strict=True)]
        series.value += total  # type: ignore[operator]

    def put(self, instrument: Instrument, value: Number, *labels: Label) -> None:
        """Set a gauge."""
        self._one(instrument, labels).value = value

    def changed(self) -> list[Series]:
        """The series to be saved."""
        return [one for touched in self._touched.values() for one in touched.values()]

    def _one(self, instrument: Instrument, labels: _Labels) -> Series:
        touched = self._touched[instrument.name]
        series = touched.get(labels)
        if series is None:
            known = self._base.get(instrument.name, {})
            base = known.get(labels)
            if base is None and labels and len(known) + self._created[instrument.name] >= self._limit:
                return self._one(instrument, _OVERFLOWED)
            series = touched[labels] = self._new(instrument, labels) if base is None else base.copy()
        return series

    def _new(self, instrument: Instrument, labels: _Labels) -> Series:
        self._created[instrument.name] += 1
        buckets = [0] * (len(instrument.buckets) + 1) if instrument.kind is Kind.HISTOGRAM else []
        return Series(instrument, labels, self._now_ns, buckets=buckets)
