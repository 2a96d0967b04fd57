"""The instruments: name, kind, unit, description, attributes, buckets and how each is shown.

Units decide the Prometheus names: a unit in braces adds nothing, `ms` adds `_milliseconds`, gauges have none.
Rule: https://github.com/prometheus/otlptranslator, strategy UnderscoreEscapingWithSuffixes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from proxy.names import attributes as semconv


class Kind(StrEnum):
    """What an instrument adds up."""

    COUNTER = "counter"
    HISTOGRAM = "histogram"
    GAUGE = "gauge"


class Channel(StrEnum):
    """Where an instrument is shown."""

    OTLP = "otlp"
    """Sent by OTLP and shown on `/metrics`."""
    HEALTH = "health"
    """On `/metrics` only, so that loss is not reported over the channel that is lost."""


@dataclass(frozen=True, slots=True)
class Instrument:
    """One instrument of the telemetry contract."""

    name: str
    kind: Kind
    unit: str
    """UCUM, or "" for none."""
    description: str
    attributes: tuple[str, ...] = ()
    """All labels a series may have; one whose value is not known is absent."""
    buckets: tuple[float, ...] = ()
    """Upper bounds of a histogram, without infinity."""
    channel: Channel = Channel.OTLP


ACCOUNT = "account"
BILLING = "billing"
CREDENTIAL = "credential"
ENDPOINT = "endpoint"
ERROR_TYPE = "error_type"
GROUP = "group"
KEY = "key"
KIND = "kind"
MODEL = "model"
OPERATION = "operation"
ORGANIZATION = "organization"
OUTCOME = "outcome"
REASON = "reason"
RULE = "rule"
SIGNAL = "signal"
STATUS_CODE = "status_code"
STREAM = "stream"
TTL = "ttl"
WINDOW = "window"
NAME = "name"
SCOPE = "scope"
OVERFLOW = "otel.metric.overflow"
"""`true` on the one series that takes what comes beyond an instrument's limit of series."""

_DURATION_MS = (50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 120_000, 300_000, 600_000)
_TTFT_MS = (50, 100, 200, 400, 800, 1_500, 3_000, 6_000, 12_000, 30_000, 60_000)
SHORT_MS = (0.25, 0.5, 1, 2, 5, 10, 25, 50, 100, 250)
"""Bounds of times that should be short: overhead, commits, stalls."""
_BYTES = (256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216, 67_108_864)
_RATE = (5, 10, 20, 40, 60, 80, 120, 200, 400)
_GENAI_TOKENS = (1, 4, 16, 64, 256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216, 67_108_864)
# The conventions stop at 81.92 s, which agentic calls pass.
_GENAI_SECONDS = (
    *(0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92),
    *(163.84, 327.68, 655.36),
)
_GENAI = (
    semconv.GEN_AI_OPERATION_NAME,
    semconv.GEN_AI_PROVIDER_NAME,
    semconv.GEN_AI_REQUEST_MODEL,
    semconv.GEN_AI_RESPONSE_MODEL,
    semconv.SERVER_ADDRESS,
    semconv.SERVER_PORT,
)


def _counter(name: str, unit: str, description: str, *attributes: str) -> Instrument:
    return Instrument(name, Kind.COUNTER, unit, description, attributes)


def _gauge(name: str, description: str, *attributes: str) -> Instrument:
    return Instrument(name, Kind.GAUGE, "", description, attributes)


def _histogram(name: str, unit: str, buckets: tuple[float, ...], description: str, *attributes: str) -> Instrument:
    return Instrument(name, Kind.HISTOGRAM, unit, description, attributes, buckets)


def _health(name: str, kind: Kind, unit: str, description: str, *attributes: str) -> Instrument:
    buckets = SHORT_MS if kind is Kind.HISTOGRAM else ()
    return Instrument(name, kind, unit, description, attributes, buckets, Channel.HEALTH)


REQUEST_COUNT = _counter(
    "proxy.request.count",
    "{request}",
    "Requests that ended, whatever the outcome",
    *(ENDPOINT, MODEL, STREAM, STATUS_CODE, OUTCOME, OPERATION),
)
REQUEST_DURATION = _histogram(
    "proxy.request.duration_ms",
    "ms",
    _DURATION_MS,
    "Time from accepting a request until it was over for the client",
    *(ENDPOINT, STREAM, OUTCOME),
)
REQUEST_TTFT = _histogram(
    "proxy.request.ttft_ms",
    "ms",
    _TTFT_MS,
    "Time from the end of sending the request upstream to the first content token",
    *(ENDPOINT, MODEL),
)
REQUEST_OVERHEAD = _histogram(
    "proxy.request.overhead_ms",
    "ms",
    SHORT_MS,
    "Time the proxy added, before the request left and before the first byte went on",
    *(ENDPOINT, MODEL),
)
REQUEST_BODY_SIZE = _histogram("proxy.request.body_size", "By", _BYTES, "Size of request bodies", ENDPOINT)
RESPONSE_BODY_SIZE = _histogram("proxy.response.body_size", "By", _BYTES, "Size of response bodies", ENDPOINT)
OUTPUT_RATE = _histogram("proxy.output.rate", "{token}/s", _RATE, "Output tokens per second of streams", MODEL)

TOKENS_INPUT = _counter("proxy.tokens.input", "{token}", "Uncached input tokens", ENDPOINT, MODEL)
TOKENS_OUTPUT = _counter("proxy.tokens.output", "{token}", "Output tokens, reasoning included", ENDPOINT, MODEL)
TOKENS_CACHE_READ = _counter("proxy.tokens.cache_read", "{token}", "Input tokens read from the cache", ENDPOINT, MODEL)
TOKENS_CACHE_CREATION = _counter(
    "proxy.tokens.cache_creation", "{token}", "Input tokens written to the cache, by time to live", ENDPOINT, MODEL, TTL
)
TOKENS_REASONING = _counter("proxy.tokens.reasoning", "{token}", "Output tokens spent on thinking", ENDPOINT, MODEL)
COST = _counter("proxy.cost", "{usd}", "Price of all requests that have one, in US dollars", ENDPOINT, MODEL, BILLING)
UNPRICED = _counter("proxy.unpriced.requests", "{request}", "Requests with usage but without a price", MODEL)
UPSTREAM_ERRORS = _counter(
    "proxy.upstream.errors", "", "Failed attempts and errors inside streams", ERROR_TYPE, STATUS_CODE, ENDPOINT
)
REDACTIONS = _counter("proxy.capture.redactions", "", "Secrets masked in what is stored of requests, by rule", RULE)
COOLDOWNS = _counter("proxy.credential.cooldowns", "", "Times a credential had to pause", CREDENTIAL, REASON)

CREDENTIAL_ACTIVE = _gauge(
    "proxy.credential.active",
    "1 while a credential (an account, where callers bring their own) may be used, 0 in a rejected window",
    CREDENTIAL,
)

USAGE_UTILIZATION = _gauge("proxy.usage.utilization", "Percent of the main account's rate-limit window used", WINDOW)
USAGE_RESETS_AT = _gauge("proxy.usage.resets_at", "Unix time at which the main account's window resets", WINDOW)
ACCOUNT_UTILIZATION = _gauge("proxy.account.utilization", "Percent of a rate-limit window used", ACCOUNT, WINDOW)
ACCOUNT_RESETS_AT = _gauge("proxy.account.resets_at", "Unix time at which the window resets", ACCOUNT, WINDOW)
ACCOUNT_OBSERVED_AT = _gauge("proxy.account.observed_at", "Unix time of the last reading", ACCOUNT, WINDOW)
ACCOUNT_EXHAUSTS_AT = _gauge(
    "proxy.account.exhausts_at",
    "Unix time at which the window will be full if use goes on as in this window so far; absent when it lasts",
    *(ACCOUNT, WINDOW),
)
RATELIMIT_REMAINING = _gauge("proxy.ratelimit.remaining", "What is left of a per-minute limit", ACCOUNT, KIND)
RATELIMIT_LIMIT = _gauge("proxy.ratelimit.limit", "Per-minute limit", ACCOUNT, KIND)
ENDPOINT_INFO = _gauge("proxy.endpoint.info", "Always 1: endpoints and their organisation", ENDPOINT, ORGANIZATION)
KEY_INFO = _gauge("proxy.key.info", "Always 1: keys with their group and organisation", KEY, GROUP, ORGANIZATION)

BUDGET_USED = _gauge("proxy.budget.used", "What is used of a budget; nothing sets budgets yet", SCOPE, NAME, KIND)
BUDGET_LIMIT = _gauge("proxy.budget.limit", "A budget; nothing sets budgets yet", SCOPE, NAME, KIND)

REQUESTS_OPEN = _health("proxy.requests.open", Kind.GAUGE, "", "Requests being relayed now")
REQUESTS_PACED = _health(
    "proxy.requests.paced",
    Kind.COUNTER,
    "",
    "Requests that had to wait because records are made more slowly than requests come",
)
LEDGER_SIZE = _health("proxy.ledger.size", Kind.GAUGE, "By", "Size of the ledger's files")
LEDGER_FREE = _health("proxy.ledger.free", Kind.GAUGE, "By", "Free space on the ledger's disk")
LEDGER_SET_ASIDE = _health("proxy.ledger.set_aside", Kind.GAUGE, "", "Damaged ledgers that were moved aside")
LEDGER_COMMIT = _health("proxy.ledger.commit_ms", Kind.HISTOGRAM, "ms", "Time of a group commit of the recorder")
LOOP_STALL = _health("proxy.relay.loop_stall_ms", Kind.HISTOGRAM, "ms", "Delays of the relay's event loop")
DROPPED = _health("proxy.dropped", Kind.COUNTER, "", "What was not kept or not sent, by reason", REASON)
READ_ERRORS = _health(
    "proxy.read.errors", Kind.COUNTER, "", "Bodies that could not be read, records that could not be wholly made"
)
AUTH_FAILURES = _health(
    "proxy.auth.failures", Kind.COUNTER, "", "Wrong tokens and sign-in codes that were given to the inspector"
)
EXPORT_LAG = _health("proxy.export.lag_seconds", Kind.GAUGE, "", "Age of the oldest record not yet sent", SIGNAL)
EXPORT_FAILURES = _health("proxy.export.failures", Kind.COUNTER, "", "Failed deliveries", SIGNAL)
EXPORTER_UP = _health("proxy.exporter.up", Kind.GAUGE, "", "1 while the last delivery succeeded, else 0", SIGNAL)
DEAD_LETTERS = _health("proxy.dead_letters", Kind.COUNTER, "", "Records given up for good", SIGNAL, REASON)

GENAI_TOKEN_USAGE = _histogram(
    "gen_ai.client.token.usage",
    "{token}",
    _GENAI_TOKENS,
    "Input and output tokens per model call; input includes the cache",
    *(*_GENAI, semconv.GEN_AI_TOKEN_TYPE),
)
GENAI_DURATION = _histogram(
    "gen_ai.client.operation.duration",
    "s",
    _GENAI_SECONDS,
    "Duration of model calls as seen by the proxy, the provider's client",
    *(*_GENAI, semconv.ERROR_TYPE),
)
GENAI_FIRST_CHUNK = _histogram(
    "gen_ai.client.operation.time_to_first_chunk",
    "s",
    _GENAI_SECONDS,
    "Time from request sent to the first chunk of a stream",
    *_GENAI,
)
GENAI_OUTPUT_CHUNK = _histogram(
    "gen_ai.client.operation.time_per_output_chunk",
    "s",
    _GENAI_SECONDS,
    "Time between one chunk of a stream and the next, each counted",
    *_GENAI,
)

INSTRUMENTS = (
    REQUEST_COUNT,
    REQUEST_DURATION,
    REQUEST_TTFT,
    REQUEST_OVERHEAD,
    REQUEST_BODY_SIZE,
    RESPONSE_BODY_SIZE,
    OUTPUT_RATE,
    TOKENS_INPUT,
    TOKENS_OUTPUT,
    TOKENS_CACHE_READ,
    TOKENS_CACHE_CREATION,
    TOKENS_REASONING,
    COST,
    UNPRICED,
    UPSTREAM_ERRORS,
    REDACTIONS,
    COOLDOWNS,
    CREDENTIAL_ACTIVE,
    USAGE_UTILIZATION,
    USAGE_RESETS_AT,
    ACCOUNT_UTILIZATION,
    ACCOUNT_RESETS_AT,
    ACCOUNT_OBSERVED_AT,
    ACCOUNT_EXHAUSTS_AT,
    RATELIMIT_REMAINING,
    RATELIMIT_LIMIT,
    ENDPOINT_INFO,
    KEY_INFO,
    BUDGET_USED,
    BUDGET_LIMIT,
    REQUESTS_OPEN,
    REQUESTS_PACED,
    LEDGER_SIZE,
    LEDGER_FREE,
    LEDGER_SET_ASIDE,
    LEDGER_COMMIT,
    LOOP_STALL,
    DROPPED,
    READ_ERRORS,
    AUTH_FAILURES,
    EXPORT_LAG,
    EXPORT_FAILURES,
    EXPORTER_UP,
    DEAD_LETTERS,
    GENAI_TOKEN_USAGE,
    GENAI_DURATION,
    GENAI_FIRST_CHUNK,
    GENAI_OUTPUT_CHUNK,
)
