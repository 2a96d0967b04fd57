"""The metrics projection: what one finished exchange adds to which instrument."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import msgspec

from proxy.exchange import Exchange, Outcome, UsageSource
from proxy.ledger.costs import Cost
from proxy.names import metrics
from proxy.observer import genai, trace
from proxy.observer.costs import billing
from proxy.observer.failures import failures
from proxy.observer.folding import STORING_FAILED
from proxy.observer.labels import Labels, status_code, stream
from proxy.observer.table import Draft, Exemplar

WINDOW_REJECTED = "window_rejected"
TOO_LARGE = "too_large"
"""Why a body is not kept whole; of all such reasons the only one that is counted from the record."""


def begin(draft: Draft, endpoints: Iterable[str], labels: Labels) -> None:
    """Make the series exist that dashboards and alerts must see before the first event."""
    draft.add(metrics.COOLDOWNS, 0, labels.credential(None), WINDOW_REJECTED)
    for reason in STORING_FAILED:
        draft.add(metrics.DROPPED, 0, reason)
    for instrument in (metrics.READ_ERRORS, metrics.AUTH_FAILURES):
        draft.add(instrument, 0)
    for endpoint in endpoints:
        labels.endpoint(endpoint)


def count(
    exchange: Exchange,
    cost: Cost | None,
    chunks: Sequence[tuple[int, float]],
    draft: Draft,
    labels: Labels,
) -> None:
    """Add one exchange. `chunks` are byte offset and milliseconds of each chunk of a stream."""
    labels.learn(exchange)
    exemplar = _exemplar(exchange)
    _count_request(exchange, draft, labels, exemplar)
    _count_failures(exchange, draft, labels)
    if genai.operation_name(exchange.operation) is not None:
        _count_model_call(exchange, chunks, draft, labels, exemplar)
    if exchange.usage_source in (UsageSource.FINAL, UsageSource.PARTIAL) and exchange.usage.known:
        _count_usage(exchange, cost, draft, labels)
    if TOO_LARGE in (exchange.request_capture, exchange.response_capture):
        draft.add(metrics.DROPPED, 1, TOO_LARGE)
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


def _count_request(exchange: Exchange, draft: Draft, labels: Labels, exemplar: Exemplar) -> None:
    endpoint, model = labels.endpoint(exchange.endpoint), labels.model(exchange.model)
    outcome, streamed = str(exchange.outcome), stream(exchange.stream)
    draft.add(
        metrics.REQUEST_COUNT,
        1,
        *(endpoint, model, streamed, status_code(exchange.status), outcome, exchange.operation),
    )
    draft.observe(metrics.REQUEST_DURATION, exchange.duration_ms, endpoint, streamed, outcome, exemplar=exemplar)
    draft.observe(metrics.REQUEST_TTFT, exchange.ttft_ms, endpoint, model, exemplar=exemplar)
    draft.observe(metrics.REQUEST_OVERHEAD, exchange.overhead_ms, endpoint, model, exemplar=exemplar)
    draft.observe(metrics.REQUEST_BODY_SIZE, exchange.request_bytes, endpoint, exemplar=exemplar)
    draft.observe(metrics.RESPONSE_BODY_SIZE, exchange.response_bytes, endpoint, exemplar=exemplar)
    if exchange.stream and exchange.outcome is Outcome.OK:
        draft.observe(metrics.OUTPUT_RATE, exchange.output_rate, model, exemplar=exemplar)


def _count_failures(exchange: Exchange, draft: Draft, labels: Labels) -> None:
    endpoint = labels.endpoint(exchange.endpoint)
    for failure in failures(exchange):
        draft.add(
            metrics.UPSTREAM_ERRORS, 1, labels.error_type(failure.error_type), status_code(failure.status), endpoint
        )


def _count_usage(exchange: Exchange, cost: Cost | None, draft: Draft, labels: Labels) -> None:
    usage, endpoint, model = exchange.usage, labels.endpoint(exchange.endpoint), labels.model(exchange.model)
    written_5m, written_1h = usage.cache_creation_5m_tokens or 0, usage.cache_creation_1h_tokens or 0
    unsplit = max(0, (usage.cache_creation_tokens or 0) - written_5m - written_1h)
    for instrument, tokens in (
        (metrics.TOKENS_INPUT, usage.input_tokens),
        (metrics.TOKENS_OUTPUT, usage.output_tokens),
        (metrics.TOKENS_CACHE_READ, usage.cache_read_tokens),
        (metrics.TOKENS_REASONING, usage.reasoning_tokens),
    ):
        if tokens is not None:
            draft.add(instrument, tokens, endpoint, model)
    for ttl, written in (("5m", written_5m), ("1h", written_1h), (None, unsplit)):
        if written:
            draft.add(metrics.TOKENS_CACHE_CREATION, written, endpoint, model, ttl)
    if cost is not None:
        draft.add(metrics.COST, cost.total_usd, endpoint, model, billing(exchange))
    else:
        draft.add(metrics.UNPRICED, 1, model)


def _count_model_call(
    exchange: Exchange, chunks: Sequence[tuple[int, float]], draft: Draft, labels: Labels, exemplar: Exemplar
) -> None:
    if not exchange.attempts:
        return
    last = exchange.attempts[-1]
    call = (
        genai.operation_name(exchange.operation),
        labels.provider(exchange.provider),
        labels.model(exchange.model),
        labels.model(exchange.response_model),
        labels.address(last.server_address),
        last.server_port,
    )
    failed = labels.error_type(genai.error_type(exchange))
    draft.observe(metrics.GENAI_DURATION, genai.duration_s(exchange), *call, failed, exemplar=exemplar)
    draft.observe(metrics.GENAI_FIRST_CHUNK, genai.first_chunk_s(exchange), *call, exemplar=exemplar)
    if exchange.stream:
        gaps = [max(0.0, after - before) / 1000 for (_, before), (_, after) in pairwise(chunks)]
        draft.observe_all(metrics.GENAI_OUTPUT_CHUNK, gaps, *call)
    if exchange.usage_source in (UsageSource.FINAL, UsageSource.PARTIAL):
        usage = exchange.usage
        draft.observe(metrics.GENAI_TOKEN_USAGE, usage.input_tokens_total, *call, "input", exemplar=exemplar)
        draft.observe(metrics.GENAI_TOKEN_USAGE, usage.output_tokens, *call, "output", exemplar=exemplar)


def _exemplar(exchange: Exchange) -> Exemplar:
    ended_ns = exchange.started_ns + round((exchange.duration_ms or 0) * 1_000_000)
    return Exemplar(trace.trace_id(exchange), trace.span_id(exchange), ended_ns)
