"""What gauges must say at a moment, from the ledger's readings: the other half of `expected`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.kit.process import Row
from tests.stack.proxy.expected import Labels, Ledger, Sample

_LENGTHS = {"5h": 5 * 3_600, "7d": 7 * 86_400, "7d_oi": 7 * 86_400}
_LIMIT_HOLDS_S = 300


def _latest(readings: list[Row], what: str) -> dict[tuple[str, str], Row]:
    return {(row["account"], row[what]): row for row in readings}


def _fresh(ledger: Ledger, at: float) -> dict[tuple[str, str], Row]:
    """Readings of windows that have not been reset since."""
    return {name: row for name, row in _latest(ledger.windows, "window").items() if at < row["resets_at"]}


def _account_utilization(ledger: Ledger, at: float) -> Iterator[Sample]:
    for (account, window), row in _fresh(ledger, at).items():
        yield {"account": account, "window": window}, row["utilization"]


def _account_resets_at(ledger: Ledger, at: float) -> Iterator[Sample]:
    for (account, window), row in _latest(ledger.windows, "window").items():
        yield {"account": account, "window": window}, row["resets_at"]


def _account_observed_at(ledger: Ledger, at: float) -> Iterator[Sample]:
    for (account, window), row in _latest(ledger.windows, "window").items():
        yield {"account": account, "window": window}, row["observed_at"]


def _account_exhausts_at(ledger: Ledger, at: float) -> Iterator[Sample]:
    """When a window is full if its use goes on as in it so far, if that is before its reset."""
    for (account, window), row in _fresh(ledger, at).items():
        used, seen, began = row["utilization"], row["observed_at"], row["resets_at"] - _LENGTHS[window]
        if used >= 100:
            yield {"account": account, "window": window}, seen
        elif used > 0 and seen > began:
            full_at = seen + round((seen - began) * (100 - used) / used)
            if full_at < row["resets_at"]:
                yield {"account": account, "window": window}, full_at


def _main_account(ledger: Ledger, at: float) -> str:
    """No account is set as the main one: it is the one whose fullest window is the fullest of all."""
    fresh = _fresh(ledger, at)
    return max(fresh, key=lambda name: (fresh[name]["utilization"], fresh[name]["observed_at"]))[0]


def _of_the_main_account(
    samples: Callable[[Ledger, float], Iterator[Sample]],
) -> Callable[[Ledger, float], Iterator[Sample]]:
    def chosen(ledger: Ledger, at: float) -> Iterator[Sample]:
        main = _main_account(ledger, at)
        for labels, value in samples(ledger, at):
            if labels["account"] == main:
                yield {"window": labels["window"]}, value

    return chosen


def _credential_active(ledger: Ledger, at: float) -> Iterator[Sample]:
    accounts: dict[str, bool] = {}
    for (account, _), row in _fresh(ledger, at).items():
        accounts[account] = accounts.get(account, True) and row["status"] != "rejected"
    for account, active in accounts.items():
        yield {"credential": account}, int(active)


def _ratelimit_limit(ledger: Ledger, at: float) -> Iterator[Sample]:
    for (account, kind), row in _latest(ledger.limits, "kind").items():
        yield {"account": account, "kind": kind}, row["limit"]


def _ratelimit_remaining(ledger: Ledger, at: float) -> Iterator[Sample]:
    for (account, kind), row in _latest(ledger.limits, "kind").items():
        if at < max(row["resets_at"] or 0, row["observed_at"]) + _LIMIT_HOLDS_S:
            yield {"account": account, "kind": kind}, row["remaining"]


def _endpoint_info(ledger: Ledger, at: float) -> Iterator[Sample]:
    yield from _distinct(ledger, "endpoint", lambda row: row["operation"] == "messages")


def _key_info(ledger: Ledger, at: float) -> Iterator[Sample]:
    """The last organisation that a key was used for; keys count from their first success on."""
    yield from _distinct(ledger, "key", lambda row: row["key"] is not None and row["outcome"] == "ok")


def _distinct(ledger: Ledger, name: str, counts: Callable[[Row], bool]) -> Iterator[Sample]:
    found: set[tuple[tuple[str, str], ...]] = set()
    for row in filter(counts, ledger.exchanges):
        labels: Labels = {name: row[name]}
        if row["organization"] is not None:
            labels["organization"] = row["organization"]
        found.add(tuple(sorted(labels.items())))
    for one in found:
        yield dict(one), 1


GAUGES: dict[str, Callable[[Ledger, float], Iterator[Sample]]] = {
    "proxy_account_utilization": _account_utilization,
    "proxy_account_resets_at": _account_resets_at,
    "proxy_account_observed_at": _account_observed_at,
    "proxy_account_exhausts_at": _account_exhausts_at,
    "proxy_usage_utilization": _of_the_main_account(_account_utilization),
    "proxy_usage_resets_at": _of_the_main_account(_account_resets_at),
    "proxy_credential_active": _credential_active,
    "proxy_ratelimit_limit": _ratelimit_limit,
    "proxy_ratelimit_remaining": _ratelimit_remaining,
    "proxy_endpoint_info": _endpoint_info,
    "proxy_key_info": _key_info,
}
"""By the name in Prometheus."""
