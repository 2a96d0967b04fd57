"""The figures of one request for its page: token cards, priced line items, timings, attempts, limits. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from proxy.exchange import Exchange, UsageSource
from proxy.inspector import formats
from proxy.inspector.rows import input_parts, latency, unpriced
from proxy.ledger.costs import Cost, LineItem

Fact = tuple[str, str]
"""A label and its value."""

BAR = 1000
"""Width of the time line in its own units."""


@dataclass(frozen=True, slots=True)
class Card:
    """One big figure."""

    label: str
    value: str
    hint: str


@dataclass(frozen=True, slots=True)
class LineRow:
    """One priced fee."""

    item: str
    quantity: str
    rate: str
    amount: str


@dataclass(frozen=True, slots=True)
class Phase:
    """One stretch of the time line, in units of a bar that is 1000 wide."""

    name: str
    css: str
    start: int
    width: int
    duration: str
    hint: str


@dataclass(frozen=True, slots=True)
class Timings:
    """Time line and figures."""

    phases: tuple[Phase, ...]
    figures: tuple[Fact, ...]


def cards(exchange: Exchange, cost: Cost | None) -> tuple[Card, ...]:
    """Token cards and times; what is not known stays unknown."""
    usage = exchange.usage
    waited, waited_for = latency(exchange)
    five, hour = formats.count(usage.cache_creation_5m_tokens), formats.count(usage.cache_creation_1h_tokens)
    total = usage.input_tokens_total
    hint = "list price" if exchange.billing != "subscription" else "list value, included"
    if cost is None:
        hint = unpriced(exchange)
    return (
        Card("Input tokens", formats.count(usage.input_tokens), "prompt, uncached"),
        Card("Output tokens", formats.count(usage.output_tokens), _output_hint(exchange)),
        Card(
            "Cache created",
            formats.count(usage.cache_creation_tokens),
            "" if usage.cache_creation_tokens is None else f"5 min {five} · 1 h {hour}",
        ),
        Card("Cache read", formats.count(usage.cache_read_tokens), "" if total is None else f"of {total:,} input"),
        Card("Total cost", formats.usd(cost.total_usd if cost else None), hint),
        Card("Latency", waited, waited_for.removeprefix("From sending the request ")),
        Card(
            "Duration",
            formats.milliseconds(exchange.duration_ms),
            "" if exchange.output_rate is None else f"{formats.rate(exchange.output_rate)} output",
        ),
    )


def line_rows(cost: Cost | None) -> tuple[LineRow, ...]:
    """The priced fees of a request."""
    return tuple(
        LineRow(
            item.fee_item,
            formats.count(item.quantity),
            _rate(item),
            formats.usd_exact(item.amount_usd),
        )
        for item in (cost.items if cost else ())
    )


def tokens(exchange: Exchange) -> tuple[Fact, ...]:
    """Every count by its name in the log; unknown ones too, because absence of a count says something."""
    usage = exchange.usage
    return (
        *input_parts(exchange),
        ("input, all", formats.count(usage.input_tokens_total)),
        ("completion", formats.count(usage.output_tokens)),
        ("internal_reasoning", formats.count(usage.reasoning_tokens)),
    )


def timings(exchange: Exchange) -> Timings:
    """Where the time went."""
    first = "byte" if exchange.ttft_ms is None and exchange.latency_ms is not None else "token"
    whole = exchange.first_token_ms is None and exchange.output_rate is not None
    return Timings(
        phases=_phases(exchange),
        figures=(
            (f"First {first} latency", formats.milliseconds(exchange.latency_ms)),
            ("Generation time", formats.milliseconds(exchange.generation_ms)),
            ("Throughput, of the whole duration" if whole else "Throughput", formats.rate(exchange.output_rate)),
            ("Upstream round trip", formats.milliseconds(exchange.upstream_ms)),
            ("Connecting", formats.milliseconds(exchange.connect_ms)),
            ("Time in the proxy", formats.milliseconds(exchange.overhead_ms)),
            ("Duration", formats.milliseconds(exchange.duration_ms)),
        ),
    )


def facts(exchange: Exchange) -> tuple[Fact, ...]:
    """Identity and metadata in words; only what is known."""
    usage = exchange.usage
    streamed = {True: "yes", False: "no"}.get(exchange.stream) if exchange.stream is not None else None
    known: tuple[tuple[str, str | int | None], ...] = (
        ("Model asked for", exchange.model),
        ("Model that answered", exchange.response_model),
        ("Provider", exchange.provider),
        ("Upstream", exchange.upstream),
        ("Endpoint", exchange.endpoint),
        ("Operation", exchange.operation),
        ("Streamed", streamed),
        ("Finish reason", exchange.finish_reason),
        ("Billing", exchange.billing),
        ("Usage", None if exchange.usage_source is UsageSource.NONE else exchange.usage_source.value),
        ("Web searches", usage.web_search_requests),
        ("Web fetches", usage.web_fetch_requests),
        ("Images", exchange.image_count),
        ("Service tier", usage.service_tier),
        ("Speed", usage.speed),
        ("Region", usage.inference_geo),
        ("Client", exchange.client),
        ("Client retries", exchange.retry_count),
        ("Organization", exchange.organization),
        ("Workflow", exchange.workflow),
        ("Key", exchange.key),
        ("Group", exchange.group),
        ("Account", exchange.account),
        ("Credential", exchange.credential),
        ("Session", exchange.session_id),
        ("Agent", exchange.agent_id),
        ("Parent agent", exchange.parent_agent_id),
        ("Request id", exchange.request_id),
        ("Upstream request id", exchange.upstream_request_id),
        ("Message id", exchange.message_id),
        ("Trace id", exchange.trace_id),
    )
    return tuple((label, str(value)) for label, value in known if value is not None)


def attempts(exchange: Exchange) -> tuple[tuple[str, ...], ...]:
    """The attempts as cells: number, server, status, start, connecting, headers, end, error."""
    return tuple(
        (
            str(attempt.number),
            f"{attempt.server_address}:{attempt.server_port}",
            formats.UNKNOWN if attempt.status is None else str(attempt.status),
            formats.milliseconds(attempt.started_ms),
            formats.milliseconds(attempt.connect_ms),
            formats.milliseconds(attempt.headers_ms),
            formats.milliseconds(attempt.ended_ms),
            " ".join(part for part in (attempt.error_type, attempt.error_message) if part) or formats.UNKNOWN,
        )
        for attempt in exchange.attempts
    )


def limits(exchange: Exchange) -> tuple[tuple[str, ...], ...]:
    """What the answer said about limits, as cells: name, use, status, reset."""
    windows = tuple(
        (
            f"window {reading.window}",
            formats.percent(reading.utilization),
            reading.status or formats.UNKNOWN,
            formats.utc_seconds(reading.resets_at),
        )
        for reading in exchange.windows
    )
    per_minute = tuple(
        (
            reading.kind.replace("_", " "),
            f"{formats.count(reading.remaining)} of {formats.count(reading.limit)} left",
            formats.UNKNOWN,
            formats.utc_seconds(reading.resets_at),
        )
        for reading in exchange.limits
    )
    return windows + per_minute


def _rate(item: LineItem) -> str:
    if item.rate_usd_per_million is not None:
        return f"{formats.usd_exact(item.rate_usd_per_million)} / M"
    return formats.UNKNOWN if item.rate_usd_per_unit is None else f"{formats.usd_exact(item.rate_usd_per_unit)} each"


def _output_hint(exchange: Exchange) -> str:
    if exchange.output_tokens_estimated is not None:
        return f"broken off; about {exchange.output_tokens_estimated:,} by estimate"
    if exchange.usage_source is UsageSource.PARTIAL:
        return "broken off; the last value reported"
    if exchange.usage.reasoning_tokens:
        return f"reasoning {exchange.usage.reasoning_tokens:,}"
    return "" if exchange.usage.output_tokens is None else "in the answer"


def _phases(exchange: Exchange) -> tuple[Phase, ...]:
    """Consecutive stretches between the moments that are known; a moment never lies before the one ahead of it."""
    first, answering, begun = "first token", "Generating", exchange.first_token_ms
    if begun is None:
        first, answering, begun = "first byte", "Receiving the answer", exchange.first_byte_ms
    moments = (
        ("Receiving the request", "receive", exchange.received_ms, "until the last byte of the client's body"),
        ("Proxy and connection", "proxy", exchange.sent_ms, "until the request had been handed to the upstream"),
        ("Waiting for headers", "wait", exchange.headers_ms, "until the upstream's response headers"),
        (f"Waiting for the {first}", "think", begun, "of the answer"),
        (answering, "generate", exchange.last_byte_ms, "until the last byte of the upstream"),
        ("Finishing", "proxy", exchange.duration_ms, "until the request was over for the client"),
    )
    end = max((moment for _, _, moment, _ in moments if moment is not None), default=0.0)
    phases: list[Phase] = []
    at = 0.0
    for name, css, moment, hint in moments:
        if moment is None or not end:
            continue
        until = max(at, moment)
        start = round(at / end * BAR)
        width = max(2, round(until / end * BAR) - start)
        phases.append(Phase(name, css, min(start, BAR - 2), width, formats.milliseconds(until - at), hint))
        at = until
    return tuple(phases)
