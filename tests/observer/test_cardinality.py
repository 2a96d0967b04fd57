"""However many labels are made up, there are never more series than are documented."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import count, product

import pytest

from proxy.exchange import Outcome
from proxy.names.metrics import INSTRUMENTS
from proxy.observer import totals
from proxy.observer.cardinality import most_of_all, most_prometheus_series, most_series
from proxy.observer.labels import Labels
from proxy.observer.table import Table
from proxy.observer.totals import Call
from tests.observer.samples import exchange

LIMIT = 40


def _made_up() -> Table:
    """Calls whose upstream takes every name and answers with every status."""
    table, names = Table(limit=LIMIT), count()
    labels = Labels(table, lambda _: True)
    for status, outcome in product(range(200, 600, 7), (Outcome.OK, Outcome.UPSTREAM_ERROR)):
        asked = replace(exchange(), model=f"model-{next(names)}", response_model=f"model-{next(names)}")
        one = replace(asked, key=f"key-{next(names)}", status=status, outcome=outcome, error_type=f"e{status}")
        draft = table.draft(1)
        totals.count([Call(one, None)], draft, labels)
        table.commit(draft)
    return table


def test_no_instrument_has_more_series_than_documented() -> None:
    found = Counter(one.instrument.name for one in _made_up().snapshot())
    most = {one.name: most_series(one, 1, LIMIT) for one in INSTRUMENTS}
    assert {name: number for name, number in found.items() if number > most[name]} == {}
    assert found["proxy.request.count"] == LIMIT + 1


def test_what_lies_beyond_the_limit_is_still_counted() -> None:
    series = [one for one in _made_up().snapshot() if one.instrument.name == "proxy.request.count"]
    [beyond] = [one for one in series if one.overflowed]
    assert beyond.named_labels == {"otel.metric.overflow": True}
    assert sum(int(one.value) for one in series) == 2 * len(range(200, 600, 7))


@pytest.mark.parametrize(("endpoints", "limit"), [(1, 2_000), (10, 2_000), (1, 100)])
def test_the_maximum_follows_from_endpoints_and_limit(endpoints: int, limit: int) -> None:
    each = {one.name: most_prometheus_series(one, endpoints, limit) for one in INSTRUMENTS}
    assert sum(each.values()) == most_of_all(endpoints, limit)
    assert each["proxy.request.count"] == limit + 1
    assert each["proxy.response.body_size"] == (endpoints + 1) * 13
    assert most_of_all(endpoints, limit) <= most_of_all(endpoints + 1, limit + 1)
