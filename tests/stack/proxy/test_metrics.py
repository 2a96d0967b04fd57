"""Every series of the contract equals the ledger's own sum, with all its labels."""

from __future__ import annotations

from collections import Counter, defaultdict

import pytest

from tests.stack.proxy.conftest import Installation
from tests.stack.proxy.expected import COUNTERS, HISTOGRAMS, Labels
from tests.stack.proxy.gauges import GAUGES

_OF_THE_STACK = ("__name__", "job", "instance", "deployment_environment_name")
Key = frozenset[tuple[str, str]]


def recorded(played: Installation, name: str) -> dict[Key, float]:
    """What came with the last export, by the labels that are the proxy's: an instant query alone shows old values."""
    found = played.servers["prometheus"].instant(f'last_over_time({name}{{job="anthropic-proxy"}}[500ms])', played.at)
    by_labels = {key(one.labels): one.last for one in found}
    assert len(by_labels) == len(found), f"{name} has series twice"
    return by_labels


def key(labels: Labels) -> Key:
    """Labels as a key."""
    return frozenset((name, value) for name, value in labels.items() if name not in _OF_THE_STACK)


@pytest.mark.parametrize("name", COUNTERS)
def test_counters_are_the_ledgers(played: Installation, name: str) -> None:
    sums: defaultdict[Key, float] = defaultdict(float)
    for labels, amount in COUNTERS[name](played.ledger):
        sums[key(labels)] += amount
    assert recorded(played, name) == pytest.approx(sums, rel=1e-6)
    assert sums


@pytest.mark.parametrize("name", HISTOGRAMS)
def test_histograms_are_the_ledgers(played: Installation, name: str) -> None:
    samples = [(key(labels), value) for labels, value in HISTOGRAMS[name](played.ledger)]
    buckets = recorded(played, f"{name}_bucket")
    bounds = {dict(one)["le"] for one in buckets}
    below = Counter({(one, le): 0 for one, _ in samples for le in bounds})
    below.update((one, le) for one, value in samples for le in bounds if value <= float(le))
    assert buckets == {one | {("le", le)}: number for (one, le), number in below.items()}
    sums: defaultdict[Key, float] = defaultdict(float)
    for one, value in samples:
        sums[one] += value
    assert recorded(played, f"{name}_count") == Counter(one for one, _ in samples)
    assert recorded(played, f"{name}_sum") == pytest.approx(sums, rel=1e-6)
    assert samples


@pytest.mark.parametrize("name", GAUGES)
def test_gauges_are_the_ledgers(played: Installation, name: str) -> None:
    wanted = {key(labels): value for labels, value in GAUGES[name](played.ledger, played.at)}
    assert recorded(played, name) == wanted
    assert wanted


def test_every_series_begins_with_zero_so_that_nothing_is_missing_in_an_increase(played: Installation) -> None:
    sums = '{__name__=~"(proxy|gen_ai)_.+_(total|bucket|count|sum)",instance!~"127.+"}[6h]'
    series = played.servers["prometheus"].instant(sums, played.at)
    assert [one.labels for one in series if one.points[0][1] != 0] == []
    assert len(series) > 1_000
