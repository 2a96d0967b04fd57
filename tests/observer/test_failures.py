"""Failures: each once, whoever tells of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from proxy.exchange import LimitReading, Outcome, WindowReading
from proxy.observer.failures import Failure, failures, resets_at
from tests.observer.samples import attempt, exchange, refused


def test_a_success_has_none() -> None:
    assert failures(exchange()) == []


def test_a_refused_request_failed_once() -> None:
    assert failures(refused()) == [
        Failure(1, "anthropic", None, 429, "rate_limit_error", refused().error_message, "req_1")
    ]


def test_failed_attempts_before_a_success_count() -> None:
    first = replace(attempt(1, status=None), error_type="connect", credential="team-a", upstream_request_id=None)
    one = replace(exchange(), attempts=(first, replace(attempt(2, status=529)), attempt(3)))
    assert [(each.attempt, each.status, each.error_type, each.credential) for each in failures(one)] == [
        (1, None, "connect", "team-a"),
        (2, 529, None, None),
    ]


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome.ERROR_IN_STREAM,
        Outcome.TRUNCATED,
        Outcome.UPSTREAM_TIMEOUT,
        Outcome.UPSTREAM_UNREACHABLE,
        Outcome.UPSTREAM_ERROR,
    ],
)
def test_what_only_the_exchange_tells_counts_once(outcome: Outcome) -> None:
    one = replace(exchange(), outcome=outcome, error_type="reset", error_message="gone")
    assert [(each.attempt, each.status, each.error_type, each.error_message) for each in failures(one)] == [
        (1, 200, "reset", "gone")
    ]
    assert [each.attempt for each in failures(replace(one, attempts=()))] == [None]


@pytest.mark.parametrize(
    "outcome", [Outcome.CLIENT_DISCONNECTED, Outcome.REJECTED, Outcome.PROXY_ERROR, Outcome.INTERRUPTED]
)
def test_what_is_not_the_upstreams_fault_is_no_upstream_error(outcome: Outcome) -> None:
    assert failures(replace(exchange(), outcome=outcome, error_type="limit")) == []


def test_a_bare_attempt_takes_its_words_from_the_exchange() -> None:
    one = replace(refused(), attempts=(attempt(1, status=429),))
    assert failures(one)[0].error_type == "rate_limit_error"


def test_a_quota_opens_again_when_the_last_rejected_window_does() -> None:
    windows = (
        WindowReading("acme", "5h", 100.0, 2_000, "rejected"),
        WindowReading("acme", "7d", 100.0, 9_000, "rejected"),
        WindowReading("acme", "7d_oi", 10.0, 99_000, "allowed"),
    )
    limits = (LimitReading("acme", "requests", 50, 0, 3_000),)
    assert resets_at(replace(refused(), windows=windows, limits=limits)) == 9_000
    assert resets_at(replace(refused(), windows=windows[2:], limits=limits)) == 3_000


def test_when_nothing_is_told_or_nothing_was_refused_no_reset_is_made_up() -> None:
    limits = (LimitReading("acme", "requests", 50, 7, 3_000), LimitReading("acme", "tokens", 50, 0, None))
    assert resets_at(replace(refused(), windows=(), limits=limits)) is None
    rejected = (WindowReading("acme", "5h", 120.0, 2_000, "rejected"),)
    assert resets_at(replace(exchange(), windows=rejected)) is None
