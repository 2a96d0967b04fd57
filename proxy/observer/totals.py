"""The metrics projection: what one finished exchange adds to which instrument."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal
from functools import partial
from itertools import chain
from operator import attrgetter
from typing import NamedTuple

import msgspec

from proxy.exchange import Exchange, Outcome, Usage, UsageSource
from proxy.ledger.costs import Cost
from proxy.names import metrics
from proxy.observer import genai, trace
from proxy.observer.costs import billing
from proxy.observer.failures import failures
from proxy.observer.folding import STORING_FAILED
from proxy.observer.labels import Labels, status_code, stream
from proxy.observer.table import Draft, Exemplar, Label

WINDOW_REJECTED = "window_rejected"
TOO_LARGE = "too_large"
"""Why a body is not kept whole; of all such reasons the only one that is counted from the record."""
_REPORTED = (UsageSource.FINAL, UsageSource.PARTIAL)
_SECOND = 1_000_000
_PAUSES = [round(bound * _SECOND) for bound in metrics.GENAI_OUTPUT_CHUNK.buckets]
_bucket_of_pause = partial(bisect_left, _PAUSES)
_labelled = attrgetter(
    *("endpoint", "model", "response_model", "stream", "status", "outcome", "operation", "provider"),
    *("error_type", "usage_source"),
)


def begin(draft: Draft, endpoints: Iterable[str], labels: Labels) -> None:
    """Make the series exist that dashboards and alerts must see before the first event."""
    draft.add(metrics.COOLDOWNS, 0, labels.credential(None), WINDOW_REJECTED)
    for reason in STORING_FAILED:
        draft.add(metrics.DROPPED, 0, reason)
    for instrument in (metrics.READ_ERRORS, metrics.AUTH_FAILURES):
        draft.add(instrument, 0)
    for endpoint in endpoints:
        labels.endpoint(endpoint)


class Call(NamedTuple):
    """A finished exchange, what it cost, and the microseconds from each chunk of a stream to the next."""

    exchange: Exchange
    cost: Cost | None
    pauses: Sequence[int] = ()


def count(calls: Iterable[Call], draft: Draft, labels: Labels) -> None:
    """Add exchanges in the order in which they were committed; those with the same labels at once."""
    alike: dict[tuple[object, ...], list[Call]] = {}
    for call in calls:
        if news := labels.news(call.exchange):
            # What came before a model was let in does not count under its name.
            _count_all(alike.values(), draft, labels)
            alike = {}
            labels.learn(news)
        alike.setdefault(_kind(call.exchange), []).append(call)
    _count_all(alike.values(), draft, labels)


def _kind(exchange: Exchange) -> tuple[object, ...]:
    """What is the same for exchanges with the same labels."""
    last = exchange.attempts[-1] if exchange.attempts else None
    address = (None, None) if last is None else (last.server_address, last.server_port)
    return *_labelled(exchange), billing(exchange), *address


def _count_all(groups: Iterable[Sequence[Call]], draft: Draft, labels: Labels) -> None:
    for calls in groups:
        first, exchanges = calls[0].exchange, [call.exchange for call in calls]
        origins = _Origins(exchanges)
        _count_requests(exchanges, draft, labels, origins)
        if genai.operation_name(first.operation) is not None and first.attempts:
            _count_model_calls(calls, draft, labels, origins)
        if first.usage_source in _REPORTED:
            _count_usage([call for call in calls if call.exchange.usage.known], draft, labels)
        for exchange in exchanges:
            _count_details(exchange, draft, labels)


def _count_details(exchange: Exchange, draft: Draft, labels: Labels) -> None:
    """What most exchanges do not have, and their keys."""
    for failure in failures(exchange):
        place = labels.error_type(failure.error_type), status_code(failure.status), labels.endpoint(exchange.endpoint)
        draft.add(metrics.UPSTREAM_ERRORS, 1, *place)
    if TOO_LARGE in (exchange.request_capture, exchange.response_capture):
        draft.add(metrics.DROPPED, 1, TOO_LARGE)
    if exchange.redactions:
        for rule, times in redactions(exchange).items():
            draft.add(metrics.REDACTIONS, times, rule)
    key = labels.key(exchange)
    if key is not None:
        draft.put(metrics.KEY_INFO, 1, key, exchange.group, exchange.organization)


def redactions(exchange: Exchange) -> dict[str, int]:
    """How many secrets each rule masked; nothing where the record's text is not what it should be."""
    try:
        return msgspec.json.decode(exchange.redactions or "{}", type=dict[str, int])
    except msgspec.DecodeError:
        return {}


def count_cooldown(exchange: Exchange, draft: Draft, labels: Labels) -> None:
    """Add one pause of the credential that has entered a rejected window."""
    draft.add(metrics.COOLDOWNS, 1, labels.credential(exchange.credential), WINDOW_REJECTED)


def _count_requests(exchanges: Sequence[Exchange], draft: Draft, labels: Labels, origins: _Origins) -> None:
    first = exchanges[0]
    endpoint, model = labels.endpoint(first.endpoint), labels.model(first.model)
    outcome, streamed = str(first.outcome), stream(first.stream)
    place = endpoint, model, streamed, status_code(first.status), outcome, first.operation
    draft.add(metrics.REQUEST_COUNT, len(exchanges), *place)
    for instrument, values, where in (
        (metrics.REQUEST_DURATION, [one.duration_ms for one in exchanges], (endpoint, streamed, outcome)),
        (metrics.REQUEST_TTFT, [one.ttft_ms for one in exchanges], (endpoint, model)),
        (metrics.REQUEST_OVERHEAD, [one.overhead_ms for one in exchanges], (endpoint, model)),
        (metrics.REQUEST_BODY_SIZE, [one.request_bytes for one in exchanges], (endpoint,)),
        (metrics.RESPONSE_BODY_SIZE, [one.response_bytes for one in exchanges], (endpoint,)),
    ):
        draft.observe(instrument, values, *where, origins=origins)
    if first.stream and first.outcome is Outcome.OK:
        draft.observe(metrics.OUTPUT_RATE, [one.output_rate for one in exchanges], model, origins=origins)


def _count_usage(calls: Sequence[Call], draft: Draft, labels: Labels) -> None:
    if not calls:
        return
    first, usages = calls[0].exchange, [call.exchange.usage for call in calls]
    endpoint, model = labels.endpoint(first.endpoint), labels.model(first.model)
    for instrument, tokens in (
        (metrics.TOKENS_INPUT, [usage.input_tokens for usage in usages]),
        (metrics.TOKENS_OUTPUT, [usage.output_tokens for usage in usages]),
        (metrics.TOKENS_CACHE_READ, [usage.cache_read_tokens for usage in usages]),
        (metrics.TOKENS_REASONING, [usage.reasoning_tokens for usage in usages]),
    ):
        told = [number for number in tokens if number is not None]
        if told:
            draft.add(instrument, sum(told), endpoint, model)
    for ttl, written in zip(("5m", "1h", None), map(sum, zip(*map(_cache_written, usages), strict=True)), strict=True):
        if written:
            draft.add(metrics.TOKENS_CACHE_CREATION, written, endpoint, model, ttl)
    costs = [call.cost.total_usd for call in calls if call.cost is not None]
    if costs:
        draft.add(metrics.COST, sum(costs, Decimal(0)), endpoint, model, billing(first))
    if len(costs) < len(calls):
        draft.add(metrics.UNPRICED, len(calls) - len(costs), model)


def _cache_written(usage: Usage) -> tuple[int, int, int]:
    """Tokens written for five minutes, for an hour, and for a time that was not told."""
    written_5m, written_1h = usage.cache_creation_5m_tokens or 0, usage.cache_creation_1h_tokens or 0
    return written_5m, written_1h, max(0, (usage.cache_creation_tokens or 0) - written_5m - written_1h)


def _count_model_calls(calls: Sequence[Call], draft: Draft, labels: Labels, origins: _Origins) -> None:
    first, exchanges = calls[0].exchange, [call.exchange for call in calls]
    last = first.attempts[-1]
    place = (
        genai.operation_name(first.operation),
        labels.provider(first.provider),
        labels.model(first.model),
        labels.model(first.response_model),
        labels.address(last.server_address),
        last.server_port,
    )
    failed = labels.error_type(genai.error_type(first))
    draft.observe(metrics.GENAI_DURATION, [*map(genai.duration_s, exchanges)], *place, failed, origins=origins)
    if first.stream:
        draft.observe(metrics.GENAI_FIRST_CHUNK, [*map(genai.first_chunk_s, exchanges)], *place, origins=origins)
        _count_pauses([*chain.from_iterable(call.pauses for call in calls)], draft, place)
    if first.usage_source in _REPORTED:
        usages = [one.usage for one in exchanges]
        total, output = [one.input_tokens_total for one in usages], [one.output_tokens for one in usages]
        draft.observe(metrics.GENAI_TOKEN_USAGE, total, *place, "input", origins=origins)
        draft.observe(metrics.GENAI_TOKEN_USAGE, output, *place, "output", origins=origins)


def _count_pauses(pauses: Sequence[int], draft: Draft, place: Sequence[Label]) -> None:
    if pauses:
        found = Counter(map(_bucket_of_pause, pauses))
        buckets = [found[bucket] for bucket in range(len(_PAUSES) + 1)]
        draft.merge(metrics.GENAI_OUTPUT_CHUNK, buckets, sum(pauses) / _SECOND, *place)


class _Origins(dict[int, Exemplar]):
    """Where the values of exchanges come from, by place; made for the few that are shown."""

    def __init__(self, exchanges: Sequence[Exchange]) -> None:
        super().__init__()
        self._exchanges = exchanges

    def __missing__(self, place: int) -> Exemplar:
        exchange = self._exchanges[place]
        ended_ns = exchange.started_ns + round((exchange.duration_ms or 0) * 1_000_000)
        origin = self[place] = Exemplar(trace.trace_id(exchange), trace.span_id(exchange), ended_ns)
        return origin
