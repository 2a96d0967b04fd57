"""How long Loki keeps records, and how old they may come."""

from __future__ import annotations

import msgspec

from proxy.observer.exports import OLDEST_LOG_S
from tests.stack_files.reading import text

_HOURS = {"h": 1, "d": 24}


class _Compactor(msgspec.Struct):
    retention_enabled: bool


class _Limits(msgspec.Struct):
    retention_period: str
    max_query_length: str
    reject_old_samples_max_age: str


class _Ingester(msgspec.Struct):
    max_chunk_age: str


class _Loki(msgspec.Struct):
    compactor: _Compactor
    limits_config: _Limits
    ingester: _Ingester


_LOKI = msgspec.yaml.decode(text("loki/config.yaml"), type=_Loki)


def test_records_are_deleted_at_last_and_all_that_are_kept_can_be_asked_for() -> None:
    """Without the first word the period is only advice."""
    assert _LOKI.compactor.retention_enabled
    assert _hours(_LOKI.limits_config.max_query_length) == _hours(_LOKI.limits_config.retention_period)


def test_a_record_may_be_as_late_as_it_may_be_old() -> None:
    """Behind the newest of its stream one is taken up to half of a chunk's age; the proxy gives up before Loki does."""
    accepted = _hours(_LOKI.limits_config.reject_old_samples_max_age)
    assert _hours(_LOKI.ingester.max_chunk_age) / 2 >= accepted
    assert accepted > OLDEST_LOG_S / 3_600


def _hours(written: str) -> int:
    return int(written[:-1]) * _HOURS[written[-1]]
