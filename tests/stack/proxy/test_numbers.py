"""Some thousand calls: Prometheus, Loki and the ledger give the same numbers for each endpoint and model."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable

import pytest

from tests.kit.process import Row
from tests.stack.proxy.conftest import SELECTED, WHOLE, Installation
from tests.stack.proxy.expected import COUNTERS
from tests.stack.running import wait_until

_COMPLETED = f'{SELECTED} |= "completed"'
_DELIVERED_SECONDS = 60.0
_TOKENS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_creation_tokens", "reasoning_tokens")
Numbers = dict[tuple[str, ...], float]


def summed(rows: list[Row], amount: Callable[[Row], float | None], *by: str) -> Numbers:
    """Sums over rows by the values of columns, "" for none; without those that are 0."""
    found: defaultdict[tuple[str, ...], float] = defaultdict(float)
    for row in rows:
        found[tuple("" if row[name] is None else str(row[name]) for name in by)] += amount(row) or 0
    return _not_zero(found)


def _not_zero(found: Numbers) -> Numbers:
    return {name: value for name, value in found.items() if value}


def test_there_were_thousands_of_calls_with_every_outcome(played: Installation) -> None:
    outcomes = Counter(row["outcome"] for row in played.ledger.exchanges)
    assert 2_000 <= outcomes.total() <= 3_000
    assert outcomes.keys() >= {"ok", "upstream_error", "error_in_stream", "truncated", "upstream_timeout"}
    assert outcomes.keys() >= {"upstream_unreachable", "rejected", "client_disconnected"}
    assert len({row["endpoint"] for row in played.ledger.exchanges}) == 5


def test_requests_agree(played: Installation) -> None:
    rows = played.ledger.exchanges
    counted = played.counted("sum by (endpoint, model) (proxy_request_count_total)", "endpoint", "model")
    assert counted == summed(rows, lambda _: 1, "endpoint", "label")
    logged = played.logged(f"sum by (endpoint, model) (count_over_time({_COMPLETED} {WHOLE}))", "endpoint", "model")
    assert logged == summed(rows, lambda _: 1, "endpoint", "model")


def test_failures_agree(played: Installation) -> None:
    rows = [row for row in played.ledger.exchanges if row["outcome"] != "ok"]
    by = ("endpoint", "model", "outcome")
    counted = played.counted(f'sum by ({", ".join(by)}) (proxy_request_count_total{{outcome!="ok"}})', *by)
    assert counted == summed(rows, lambda _: 1, "endpoint", "label", "outcome")
    failed = f'count_over_time({_COMPLETED} | outcome != "ok" {WHOLE})'
    logged = played.logged(f"sum by ({', '.join(by)}) ({failed})", *by)
    assert logged == summed(rows, lambda _: 1, *by)


def test_upstream_errors_agree(played: Installation) -> None:
    by = ("endpoint", "error_type")
    wanted = Counter(
        (labels["endpoint"], labels["error_type"])
        for labels, _ in COUNTERS["proxy_upstream_errors_total"](played.ledger)
    )
    assert played.counted(f"sum by ({', '.join(by)}) (proxy_upstream_errors_total)", *by) == wanted
    errors = f'count_over_time({SELECTED} |= "upstream error" {WHOLE})'
    assert played.logged(f"sum by ({', '.join(by)}) ({errors})", *by) == wanted
    assert wanted


@pytest.mark.parametrize("column", _TOKENS)
def test_tokens_agree(played: Installation, column: str) -> None:
    rows = played.ledger.exchanges
    name = f"proxy_tokens_{column.removesuffix('_tokens')}_total"
    counted = played.counted(f"sum by (endpoint, model) ({name}) > 0", "endpoint", "model")
    assert counted == summed(rows, lambda row: row[column], "endpoint", "label")
    assert _not_zero(_logged(played, column)) == summed(rows, lambda row: row[column], "endpoint", "model")
    assert counted


def test_costs_agree(played: Installation) -> None:
    rows = played.ledger.exchanges
    counted = played.counted("sum by (endpoint, model) (proxy_cost_total) > 0", "endpoint", "model")
    assert counted == pytest.approx(summed(rows, lambda row: row["cost_usd"], "endpoint", "label"), rel=1e-6)
    wanted = summed(rows, lambda row: row["cost_usd"], "endpoint", "model")
    assert _not_zero(_logged(played, "cost_usd")) == pytest.approx(wanted, rel=1e-6)
    assert wanted


def test_spans_of_every_request_reach_tempos_place(played: Installation) -> None:
    ids = {row["span_id"] for row in played.ledger.exchanges}
    ids |= {attempt["span_id"] for row in played.ledger.exchanges for attempt in row["attempts"]}
    wait_until(
        lambda: ids <= {span.span_id.hex() for span in played.stack.tempo.spans()},
        f"the arrival of {len(ids)} spans",
        _DELIVERED_SECONDS,
    )


def test_the_proxys_health_is_scraped_and_nothing_of_it_arrives_twice(played: Installation) -> None:
    prom = played.servers["prometheus"]
    wait_until(
        lambda: prom.value('up{job="anthropic-proxy"}', time.time()) == 1, "a scrape of the proxy", _DELIVERED_SECONDS
    )
    now = time.time()
    assert prom.value("sum(proxy_dropped_total)", now) == 0
    assert prom.value("sum(proxy_ledger_size_bytes)", now) > 0
    assert prom.instant("proxy_request_count_total{instance=~'127.+'}", now) == []


def _logged(played: Installation, field: str) -> Numbers:
    unwrapped = f'sum_over_time({_COMPLETED} | unwrap {field} | __error__="" {WHOLE})'
    return played.logged(f"sum by (endpoint, model) ({unwrapped})", "endpoint", "model")
