"""The failures of an exchange: what `upstream error` records tell and `proxy.upstream.errors` counts."""

from __future__ import annotations

from dataclasses import dataclass

from proxy.exchange import Attempt, Exchange, Outcome

_OF_THE_UPSTREAM = frozenset(
    {
        Outcome.UPSTREAM_ERROR,
        Outcome.ERROR_IN_STREAM,
        Outcome.TRUNCATED,
        Outcome.UPSTREAM_TIMEOUT,
        Outcome.UPSTREAM_UNREACHABLE,
    }
)


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed attempt, or an error inside the stream of the last one."""

    attempt: int | None
    """Number of the attempt; None when no upstream was tried."""
    upstream: str | None
    credential: str | None
    status: int | None
    """What the upstream said; None when it did not answer."""
    error_type: str | None
    error_message: str | None
    upstream_request_id: str | None


def failures(exchange: Exchange) -> list[Failure]:
    """All failures of an exchange in order, each once."""
    found = [_of_attempt(attempt, exchange) for attempt in exchange.attempts if _failed(attempt)]
    last = exchange.attempts[-1] if exchange.attempts else None
    if exchange.outcome in _OF_THE_UPSTREAM and (last is None or not _failed(last)):
        found.append(_of_exchange(exchange, last))
    return found


def _failed(attempt: Attempt) -> bool:
    return attempt.error_type is not None or (attempt.status is not None and attempt.status >= 400)


def _of_attempt(attempt: Attempt, exchange: Exchange) -> Failure:
    """What the last attempt does not say itself, the exchange says."""
    told = exchange if attempt is exchange.attempts[-1] else attempt
    return Failure(
        attempt=attempt.number,
        upstream=attempt.upstream,
        credential=attempt.credential,
        status=attempt.status,
        error_type=attempt.error_type or told.error_type,
        error_message=attempt.error_message or told.error_message,
        upstream_request_id=attempt.upstream_request_id or told.upstream_request_id,
    )


def _of_exchange(exchange: Exchange, last: Attempt | None) -> Failure:
    return Failure(
        attempt=None if last is None else last.number,
        upstream=exchange.upstream,
        credential=exchange.credential,
        status=exchange.status if last is None else last.status,
        error_type=exchange.error_type,
        error_message=exchange.error_message,
        upstream_request_id=exchange.upstream_request_id,
    )
