"""How many series there can be at most: it follows from the closed sets of labels and from `telemetry.max_series`."""

from __future__ import annotations

from math import prod

from proxy.exchange import Outcome
from proxy.ledger.counters import DROP_REASONS
from proxy.names import attributes, metrics
from proxy.names.metrics import INSTRUMENTS, Instrument, Kind
from proxy.observer.genai import OPERATION_NAMES
from proxy.observer.labels import MOST_KEYS, MOST_MODELS, MOST_OTHERS
from proxy.observer.windows import MOST_ACCOUNTS, MOST_LIMITS, MOST_WINDOWS
from proxy.reading.operations import OPERATIONS
from proxy.reading.redaction.kinds import KINDS
from proxy.settings.checks import MOST_RULES

_ABSENT, _OTHER, _NONE = 1, 1, 1
_STATUSES = 500
"""HTTP has 100 to 599."""
_MODELS = MOST_MODELS + _OTHER + _ABSENT
_OTHERS = MOST_OTHERS + _OTHER + _ABSENT

_VALUES: dict[str, int] = {
    metrics.ACCOUNT: MOST_ACCOUNTS,
    metrics.BILLING: 3,
    metrics.CREDENTIAL: MOST_OTHERS + _OTHER,
    metrics.ERROR_TYPE: _OTHERS,
    # A key belongs to one group and one organisation, an endpoint to one organisation.
    metrics.GROUP: 1,
    metrics.KEY: MOST_KEYS,
    metrics.KIND: MOST_LIMITS,
    metrics.MODEL: _MODELS,
    metrics.NAME: MOST_KEYS,
    metrics.OPERATION: len(OPERATIONS),
    metrics.ORGANIZATION: 1,
    metrics.OUTCOME: len(Outcome),
    metrics.REASON: len(DROP_REASONS),
    metrics.RULE: len(KINDS) + MOST_RULES + 2,
    metrics.SCOPE: 4,
    metrics.SIGNAL: 3,
    metrics.STATUS_CODE: _STATUSES + _OTHER + _NONE,
    metrics.STREAM: 2 + _ABSENT,
    metrics.TTL: 2 + _ABSENT,
    metrics.WINDOW: MOST_WINDOWS,
    attributes.ERROR_TYPE: _OTHERS,
    attributes.GEN_AI_OPERATION_NAME: len(OPERATION_NAMES),
    attributes.GEN_AI_PROVIDER_NAME: _OTHERS,
    attributes.GEN_AI_REQUEST_MODEL: _MODELS,
    attributes.GEN_AI_RESPONSE_MODEL: _MODELS,
    attributes.GEN_AI_TOKEN_TYPE: 2,
    attributes.SERVER_ADDRESS: _OTHERS,
    # An address has one port in the settings; one that is not shown counts as another.
    attributes.SERVER_PORT: 2,
}
"""How many values a label can have; an endpoint as many as the settings name."""


def most_series(instrument: Instrument, endpoints: int, limit: int) -> int:
    """Series of an instrument with so many endpoints: no more than combinations, nor than the limit and one beyond."""
    known = min(endpoints, MOST_OTHERS) + _OTHER
    values = (known if name == metrics.ENDPOINT else _VALUES[name] for name in instrument.attributes)
    return min(prod(values), limit + 1)


def most_prometheus_series(instrument: Instrument, endpoints: int, limit: int) -> int:
    """The same as Prometheus counts: of a histogram each bucket, the count and the sum are series of their own."""
    each = len(instrument.buckets) + 3 if instrument.kind is Kind.HISTOGRAM else 1
    return most_series(instrument, endpoints, limit) * each


def most_of_all(endpoints: int, limit: int) -> int:
    """What Prometheus can hold of one proxy at the very most."""
    return sum(most_prometheus_series(one, endpoints, limit) for one in INSTRUMENTS)
