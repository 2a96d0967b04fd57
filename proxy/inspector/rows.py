"""One request as a row of the list: text for every column, unknown as "—". Pure."""

from __future__ import annotations

from dataclasses import dataclass

from proxy.exchange import Exchange, Outcome
from proxy.inspector import formats
from proxy.ledger.costs import Cost
from proxy.ledger.queries import Listed

INCLUDED = "Included in your subscription usage - no separate charge."
FREE = "No charge."

_WORDS = {
    Outcome.OK: "ok",
    Outcome.UPSTREAM_ERROR: "upstream error",
    Outcome.ERROR_IN_STREAM: "error in stream",
    Outcome.TRUNCATED: "cut off by the upstream",
    Outcome.UPSTREAM_TIMEOUT: "upstream timed out",
    Outcome.UPSTREAM_UNREACHABLE: "upstream unreachable",
    Outcome.CLIENT_DISCONNECTED: "client left",
    Outcome.REJECTED: "rejected",
    Outcome.PROXY_ERROR: "error of the proxy",
    Outcome.INTERRUPTED: "interrupted",
}


@dataclass(frozen=True, slots=True)
class Badge:
    """Status and outcome; mark and words say what the colour says."""

    level: str
    """`ok`, `warn`, `error` or `open`."""
    mark: str
    status: str
    words: str
    title: str


@dataclass(frozen=True, slots=True)
class Money:
    """What the cost column and its popover show."""

    text: str
    note: str | None
    """`included` or `free`: the amount is a value, not a charge."""
    sentence: str | None
    tag: str
    """Settled, Estimated, Unpriced or Pending."""
    total: str
    items: tuple[tuple[str, str], ...]
    """Fee item and amount."""
    unknown: str | None = None
    """Why there is no cost; None where there is one."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the list."""

    request_id: str
    version: str
    """Another one when the row has something new to show."""
    time: str
    """RFC 3339."""
    time_utc: str
    upstream: str | None
    model: str
    response_model: str | None
    """Only where another model answered than was asked for."""
    response_short: str
    """The same without what it shares with the model asked for."""
    operation: str
    badge: Badge
    input_tokens: str
    input_parts: tuple[tuple[str, str], ...]
    output_tokens: str
    money: Money
    latency: str
    latency_title: str
    duration: str
    throughput: str
    finish: str
    endpoint: str


def row(listed: Listed) -> Row:
    """The list's view of one request."""
    exchange, usage = listed.exchange, listed.exchange.usage
    waited, waited_for = latency(exchange)
    return Row(
        request_id=exchange.request_id,
        version=f"{exchange.outcome or 'open'} {listed.cost.price_version if listed.cost else ''}",
        time=formats.rfc3339(exchange.started_ns),
        time_utc=formats.utc(exchange.started_ns),
        upstream=exchange.upstream,
        model=exchange.model or exchange.response_model or formats.UNKNOWN,
        response_model=other_model(exchange),
        response_short=_tail(exchange.model, exchange.response_model),
        operation=exchange.operation,
        badge=badge(exchange),
        input_tokens=formats.count(usage.input_tokens_total),
        input_parts=input_parts(exchange),
        output_tokens=formats.count(usage.output_tokens),
        money=money(exchange, listed.cost),
        latency=waited,
        latency_title=waited_for,
        duration=formats.milliseconds(exchange.duration_ms),
        throughput=formats.rate(exchange.output_rate),
        finish=exchange.finish_reason or formats.UNKNOWN,
        endpoint=exchange.endpoint,
    )


def badge(exchange: Exchange) -> Badge:
    """Status and outcome with a level, a mark and words."""
    status = formats.UNKNOWN if exchange.status is None else str(exchange.status)
    if exchange.outcome is None:
        return Badge("open", "◌", "", "open", "Not finished yet")
    level, mark = {
        Outcome.OK: ("ok", "✓"),
        Outcome.CLIENT_DISCONNECTED: ("warn", "!"),
    }.get(exchange.outcome, ("error", "✕"))
    words = _WORDS[exchange.outcome]
    if level == "error" and exchange.error_type:
        words = {
            Outcome.UPSTREAM_ERROR: exchange.error_type,
            Outcome.ERROR_IN_STREAM: f"in stream: {exchange.error_type}",
        }.get(exchange.outcome, f"{words}: {exchange.error_type}")
    return Badge(level, mark, status, words, exchange.error_message or words)


def other_model(exchange: Exchange) -> str | None:
    """The model that answered, where it is another than the one asked for."""
    return exchange.response_model if exchange.model not in (None, exchange.response_model) else None


def _tail(asked: str | None, answered: str | None) -> str:
    """What a dated name adds to the name asked for, or the whole other name."""
    if asked and answered and answered.startswith(asked):
        return f"…{answered[len(asked) :]}"
    return answered or ""


def input_parts(exchange: Exchange) -> tuple[tuple[str, str], ...]:
    """The token popover: the parts of the input by their names in the log."""
    usage = exchange.usage
    parts = (
        ("prompt", usage.input_tokens),
        ("input_cache_read", usage.cache_read_tokens),
        ("input_cache_write", usage.cache_creation_tokens),
        ("input_cache_write_5_min", usage.cache_creation_5m_tokens),
        ("input_cache_write_1_h", usage.cache_creation_1h_tokens),
    )
    return tuple((name, formats.count(value)) for name, value in parts)


def latency(exchange: Exchange) -> tuple[str, str]:
    """Latency and what it means: to the first token, or to the first byte where there is no stream of tokens."""
    if exchange.latency_ms is None:
        return formats.UNKNOWN, "no first token"
    until = "byte" if exchange.ttft_ms is None else "token"
    return formats.milliseconds(exchange.latency_ms), f"From sending the request to the first {until}"


def unpriced(exchange: Exchange) -> str:
    """Why a request has no cost."""
    if exchange.outcome is None:
        return "still running"
    return "no price known" if exchange.usage.known else "no tokens reported"


def money(exchange: Exchange, cost: Cost | None) -> Money:
    """Cost by billing mode; without a price it is unknown, never 0."""
    tag = "Pending" if exchange.outcome is None else "Unpriced"
    if cost is None:
        sentence = {"subscription": INCLUDED, "free": FREE}.get(exchange.billing or "")
        return Money(formats.UNKNOWN, None, sentence, tag, formats.UNKNOWN, (), unpriced(exchange))
    note, sentence = {"subscription": ("included", INCLUDED), "free": ("free", FREE)}.get(
        exchange.billing or "", (None, None)
    )
    return Money(
        text=formats.usd(cost.total_usd),
        note=note,
        sentence=sentence,
        tag="Estimated" if cost.partial else "Settled",
        total=formats.usd_exact(cost.total_usd),
        items=tuple((item.fee_item, formats.usd_exact(item.amount_usd)) for item in cost.items),
    )
