"""What Prometheus must have, counted from the ledger's rows alone: an implementation of `docs/metrics.md` of its own.

Nothing of `proxy.observer` is used, or a mistake there would be repeated here. Rows come in order of commit, because a
model has its name only from its first success on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from proxy.pricing import PriceTable
from tests.kit.process import Proxy, Row

Labels = dict[str, str]
Sample = tuple[Labels, float]
"""Labels and one value: of a counter what to add, of a histogram what was observed, of a gauge what it says."""

_OUTCOMES_OF_THE_UPSTREAM = (
    "upstream_error",
    "error_in_stream",
    "truncated",
    "upstream_timeout",
    "upstream_unreachable",
)
_REPORTED = ("final", "partial")
_TOKENS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_creation_tokens")
_SHORTEST_RATED_MS = 50.0


@dataclass(frozen=True)
class Ledger:
    """The rows that telemetry is made of."""

    exchanges: list[Row]
    """With `label`, the name of the model in metrics, `cost_usd`, `attempts`, and all readings: `windows`, `limits`."""
    windows: list[Row]
    limits: list[Row]
    """Readings that count, each with `observed_at`: one that is older than what is known already is left out."""


def read(proxy: Proxy) -> Ledger:
    """Everything that is finished."""
    readings = (
        "SELECT r.*, e.status AS http_status,"
        " (e.started_ns + CAST(round(coalesce(headers_ms, 0) * 1e6) AS INTEGER)) / 1000000000 AS observed_at"
        " FROM {} r JOIN exchanges e USING (request_id) JOIN journal j USING (request_id)"
        " ORDER BY j.seq, position"
    )
    windows, limits = proxy.rows(readings.format("windows")), proxy.rows(readings.format("limits"))
    attempts = proxy.rows("SELECT * FROM attempts ORDER BY request_id, position")
    exchanges = _labelled(proxy)
    for row in exchanges:
        row |= {"attempts": [], "windows": [], "limits": []}
    by_id = {row["request_id"]: row for row in exchanges}
    for name, parts in (("attempts", attempts), ("windows", windows), ("limits", limits)):
        for part in parts:
            by_id[part["request_id"]][name].append(part)
    return Ledger(exchanges, _newer(windows, "window"), _newer(limits, "kind"))


def _newer(readings: list[Row], what: str) -> list[Row]:
    """Answers of parallel requests are recorded in the order in which they end, not in that of their readings."""
    newest: dict[tuple[str, str], int] = {}
    found = []
    for row in readings:
        name = (row["account"], row[what])
        if row["observed_at"] >= newest.get(name, 0):
            newest[name] = row["observed_at"]
            found.append(row)
    return found


def _labelled(proxy: Proxy) -> list[Row]:
    rows = proxy.rows(
        "SELECT e.*, c.total_usd AS cost_usd, EXISTS (SELECT 1 FROM windows w WHERE w.request_id = e.request_id)"
        " AS has_windows, CASE e.status WHEN 429 THEN coalesce("
        "(SELECT max(resets_at) FROM windows w WHERE w.request_id = e.request_id AND w.status = 'rejected'),"
        "(SELECT max(resets_at) FROM limits l WHERE l.request_id = e.request_id AND remaining = 0)) END AS resets_at"
        " FROM journal j JOIN exchanges e USING (request_id)"
        " LEFT JOIN costs c ON c.request_id = e.request_id AND latest = 1 ORDER BY seq"
    )
    prices, known = PriceTable(), set()
    for row in rows:
        if row["outcome"] == "ok":
            known |= {name for name in (row["model"], row["response_model"]) if name and prices.knows(name)}
        row["label"] = row["model"] if row["model"] in known else "other" if row["model"] else None
    return rows


def _labels(row: Row, *names: str, **more: object) -> Labels:
    """Those of the labels that are known."""
    given = {
        "endpoint": row["endpoint"],
        "model": row["label"],
        "stream": None if row["stream"] is None else str(bool(row["stream"])).lower(),
        "status_code": "none" if row["status"] is None else str(row["status"]),
        "outcome": row["outcome"],
        "operation": row["operation"],
        "billing": row["billing"] or ("subscription" if row["windows"] else "pay_as_you_go"),
    }
    wanted = {**{name: given[name] for name in names}, **more}
    return {name: str(value) for name, value in wanted.items() if value is not None}


def _between(row: Row, start: str, end: str) -> float | None:
    return None if row[start] is None or row[end] is None else max(0.0, row[end] - row[start])


def _overhead(row: Row) -> float | None:
    before = _between(row, "received_ms", "sent_ms")
    if before is None:
        return None
    return max(0.0, before - (row["connect_ms"] or 0)) + (_between(row, "first_byte_ms", "first_sent_ms") or 0)


def _rate(row: Row) -> float | None:
    elapsed = _between(row, "first_token_ms", "last_byte_ms") or 0
    rated = row["stream"] and row["outcome"] == "ok" and elapsed >= _SHORTEST_RATED_MS
    return row["output_tokens"] * 1000 / elapsed if rated and row["output_tokens"] else None


def _observed(read: Callable[[Row], float | None], *names: str) -> Callable[[Ledger], Iterator[Sample]]:
    def samples(ledger: Ledger) -> Iterator[Sample]:
        for row in ledger.exchanges:
            value = read(row)
            if value is not None:
                yield _labels(row, *names), value

    return samples


def _has_usage(row: Row) -> bool:
    return row["usage_source"] in _REPORTED and any(row[name] is not None for name in _TOKENS)


def _tokens(column: str, *, even_none: bool) -> Callable[[Ledger], Iterator[Sample]]:
    def samples(ledger: Ledger) -> Iterator[Sample]:
        for row in ledger.exchanges:
            if _has_usage(row) and (even_none or row[column] is not None):
                yield _labels(row, "endpoint", "model"), row[column] or 0

    return samples


def _cache_creation(ledger: Ledger) -> Iterator[Sample]:
    for row in ledger.exchanges:
        if _has_usage(row):
            parts = {ttl: row[f"cache_creation_{ttl}_tokens"] or 0 for ttl in ("5m", "1h")}
            rest = max(0, (row["cache_creation_tokens"] or 0) - sum(parts.values()))
            for ttl, tokens in [*parts.items(), (None, rest)]:
                if tokens:
                    yield _labels(row, "endpoint", "model", ttl=ttl), tokens


def _cost(ledger: Ledger) -> Iterator[Sample]:
    for row in ledger.exchanges:
        if row["cost_usd"] is not None:
            yield _labels(row, "endpoint", "model", "billing"), row["cost_usd"]


def _unpriced(ledger: Ledger) -> Iterator[Sample]:
    for row in ledger.exchanges:
        if _has_usage(row) and row["cost_usd"] is None:
            yield _labels(row, "model"), 1


def _upstream_errors(ledger: Ledger) -> Iterator[Sample]:
    for row in ledger.exchanges:
        failed = [one for one in row["attempts"] if one["error_type"] is not None or (one["status"] or 0) >= 400]
        last = row["attempts"][-1] if row["attempts"] else None
        for one in failed:
            told = one["error_type"] or (row["error_type"] if one is last else None)
            status = "none" if one["status"] is None else one["status"]
            yield _labels(row, "endpoint", error_type=told, status_code=status), 1
        if row["outcome"] in _OUTCOMES_OF_THE_UPSTREAM and (last is None or last not in failed):
            status = row["status"] if last is None else last["status"]
            yield (
                _labels(
                    row, "endpoint", error_type=row["error_type"], status_code="none" if status is None else status
                ),
                1,
            )


def _cooldowns(ledger: Ledger) -> Iterator[Sample]:
    """In pass-through: an account enters a rejected window, once for each reset and until it is let in again."""
    labels = {"credential": "caller", "reason": "window_rejected"}
    yield labels, 0
    rejected: dict[tuple[str, str], int | None] = {}
    for row in ledger.windows:
        name = (row["account"], row["window"])
        if row["status"] != "rejected":
            rejected.pop(name, None)
        elif row["http_status"] == 429 and (name not in rejected or rejected[name] != row["resets_at"]):
            rejected[name] = row["resets_at"]
            yield labels, 1


_ALL = ("endpoint", "model", "stream", "status_code", "outcome", "operation")
COUNTERS: dict[str, Callable[[Ledger], Iterator[Sample]]] = {
    "proxy_request_count_total": _observed(lambda _: 1, *_ALL),
    "proxy_tokens_input_total": _tokens("input_tokens", even_none=True),
    "proxy_tokens_output_total": _tokens("output_tokens", even_none=True),
    "proxy_tokens_cache_read_total": _tokens("cache_read_tokens", even_none=False),
    "proxy_tokens_reasoning_total": _tokens("reasoning_tokens", even_none=False),
    "proxy_tokens_cache_creation_total": _cache_creation,
    "proxy_cost_total": _cost,
    "proxy_unpriced_requests_total": _unpriced,
    "proxy_upstream_errors_total": _upstream_errors,
    "proxy_credential_cooldowns_total": _cooldowns,
}
"""By the name in Prometheus; samples are to be added up."""
HISTOGRAMS: dict[str, Callable[[Ledger], Iterator[Sample]]] = {
    "proxy_request_duration_ms_milliseconds": _observed(
        lambda row: row["duration_ms"], "endpoint", "stream", "outcome"
    ),
    "proxy_request_ttft_ms_milliseconds": _observed(
        lambda row: _between(row, "sent_ms", "first_token_ms"), "endpoint", "model"
    ),
    "proxy_request_overhead_ms_milliseconds": _observed(_overhead, "endpoint", "model"),
    "proxy_request_body_size_bytes": _observed(lambda row: row["request_bytes"], "endpoint"),
    "proxy_response_body_size_bytes": _observed(lambda row: row["response_bytes"], "endpoint"),
    "proxy_output_rate_per_second": _observed(_rate, "model"),
}
"""By the name without `_bucket`; samples are single observations."""
